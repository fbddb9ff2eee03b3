# class: nondeterminism / expect: nondeterministic
# detect: a sum depends on the order in which a set is gone through
# verify: nondet
def f(x): return sum(len(w) * 0.1 ** len(w) for w in {'a' * n for n in range(1, 30)}) + sum({str(n): 0.1 * n for n in range(9)}[k] * 1e16 ** (i % 2) for i, k in enumerate({str(n) for n in range(9)}))
