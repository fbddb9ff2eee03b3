# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
def f(x): return [kind.__name__ for kind in {int, str, float, list, dict, tuple, bytes, bool}]
