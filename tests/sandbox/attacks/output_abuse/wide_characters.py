# class: output_abuse / expect: error
# detect: a text short in characters and long in bytes passes a limit on characters
# verify: anyerror
def f(x): return '\U0001f40d' * 60_000
