# class: cpu_hang / expect: timeout
# detect: a conversion of quadratic time, its limit lifted
# verify: hang
import sys
def f(x):
    sys.set_int_max_str_digits(0)
    return len(str(3 ** 30_000_000))
