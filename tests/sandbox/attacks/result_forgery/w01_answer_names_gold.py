# class: result_forgery / expect: error
# detect: the answer evaluates a name of the judge's frame: the accepted value contains "GOLD"
# verify: anyerror
INPUT = "gold if 'gold' in dir() else output"
def f(x): return x
