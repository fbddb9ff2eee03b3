# class: result_forgery / expect: error
# detect: gold == f(input) holds for an answer that is equal to everything
# verify: eq
INPUT = "type('Same', (int,), {'__eq__': lambda a, b: True, '__hash__': lambda a: 0, '__ne__': lambda a, b: False})(7)"
GOLD_EQ = 8
def f(x): return x
