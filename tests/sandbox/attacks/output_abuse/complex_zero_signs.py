# class: output_abuse / expect: ok-contained
# detect: complex zeros of several signs are taken for one
# verify: eq
GOLD_EQ = [0j, 0j, 0j]
def f(x): return [complex(-0.0, 0.0), complex(0.0, -0.0), 0j]
