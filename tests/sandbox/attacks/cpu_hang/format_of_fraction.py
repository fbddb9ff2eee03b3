# class: cpu_hang / expect: timeout
# detect: a small expression whose result is a long number
# verify: hang
from fractions import Fraction
def f(x):
    n = Fraction(3, 2)
    while True: n = n * n + Fraction(1, n.numerator)
