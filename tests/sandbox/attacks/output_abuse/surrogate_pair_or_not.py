# class: output_abuse / expect: ok-contained
# detect: two surrogates are taken for the character they would spell
# verify: eq
GOLD_EQ = '\U0001f40d'
def f(x): return '\ud83d\udc0d'
