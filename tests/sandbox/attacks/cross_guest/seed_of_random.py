# class: cross_guest / expect: ok-contained
# detect: the next guest's random numbers follow from this one's
# verify: reuse
VICTIM = 'import random\ndef f(x): return [random.random() for _ in range(3)]'
import random
def f(x):
    random.seed(0)
    random._inst = random.Random(1)
    random.random = lambda: 0.5
    return 1
