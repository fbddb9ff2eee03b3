# class: nondeterminism / expect: nondeterministic
# detect: two processes differ: the hash of a NaN is its address
# verify: nondet
def f(x): return [n for _, n in {(float('nan'), n) for n in range(24)}]
