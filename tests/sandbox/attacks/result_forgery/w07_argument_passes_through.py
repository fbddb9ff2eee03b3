# class: result_forgery / expect: error
# detect: an always-equal argument comes out again and equals the gold
# verify: eq
INPUT = "(lambda same: same)(__import__('unittest.mock').mock.ANY)"
GOLD_EQ = 1234
def f(x): return x
