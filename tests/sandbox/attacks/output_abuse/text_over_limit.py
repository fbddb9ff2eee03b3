# class: output_abuse / expect: error
# detect: a text of a hundred megabytes reaches the host
# verify: anyerror
def f(x): return 'ab' * 20_000_000
