# class: output_abuse / expect: ok-contained
# detect: a gold cut at 400 characters equals the value
# verify: eq
GOLD_EQ = 'a' * 400 + '...'
def f(x): return 'a' * 4000 + 'b'
