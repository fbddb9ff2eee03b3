# class: nondeterminism / expect: nondeterministic
# detect: two fresh interpreters give different values
# verify: nondet
def f(x):
    table = [None] * 8
    for w in ('a', 'b', 'c'):
        table[hash(w) % 8] = w
    return [w for w in table if w]
