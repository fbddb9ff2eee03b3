# class: output_abuse / expect: error
# detect: the encoder or the host spends time and memory on millions of nodes
# verify: anyerror
def f(x): return [None] * 3_000_000
