# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
def f(x): return ['text'.__hash__(), ('a', 'b').__hash__() // 3]
