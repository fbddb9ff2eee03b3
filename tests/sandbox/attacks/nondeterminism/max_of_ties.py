# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
def f(x): return [max({'aa', 'bb', 'cc', 'dd', 'ee', 'ff'}, key=len), min(frozenset('uvwxyz'), key=lambda c: 0)]
