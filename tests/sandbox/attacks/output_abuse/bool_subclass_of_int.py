# class: output_abuse / expect: ok-contained
# detect: an int enumeration is taken for its int
# verify: eq
import enum
GOLD_EQ = 1
class One(enum.IntEnum): ONE = 1
def f(x): return One.ONE
