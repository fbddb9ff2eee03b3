# class: output_abuse / expect: ok-contained
# detect: True, 1 and 1.0 are taken for one
# verify: eq
GOLD_EQ = [1, 1, 1]
def f(x): return [True, 1, 1.0]
