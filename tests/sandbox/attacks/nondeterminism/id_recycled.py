# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
def f(x):
    seen = set()
    for n in range(200):
        seen.add(str([n].__iter__()))
    return len(seen) + sum(map(ord, max(seen)))
