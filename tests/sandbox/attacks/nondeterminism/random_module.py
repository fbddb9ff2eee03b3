# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
import random
def f(x): return [random.random(), random.randint(0, 1 << 40), random.sample(range(100), 4)]
