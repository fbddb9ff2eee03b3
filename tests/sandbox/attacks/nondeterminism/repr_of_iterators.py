# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
def f(x): return [str(thing) for thing in (iter([1]), zip(), map(len, []), enumerate([]), reversed([]), {}.keys().__iter__())]
