# class: result_forgery / expect: ok-contained
# detect: the host's conversion of a huge int takes quadratic time or raises
# verify: reuse
VICTIM = 'import sys\ndef f(x): return sys.get_int_max_str_digits()'
VICTIM_EXPECT = '4300'
import sys
def f(x):
    sys.set_int_max_str_digits(0)
    sys.modules['sandbox.guest.canon'].MAX_INT_BITS = 1 << 40
    return 7 ** 20000
