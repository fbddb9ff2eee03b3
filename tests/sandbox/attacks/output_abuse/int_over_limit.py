# class: output_abuse / expect: error
# detect: the host converts a number of a million bits
# verify: anyerror
def f(x): return {1 << 1_000_000: -(1 << 14_281)}
