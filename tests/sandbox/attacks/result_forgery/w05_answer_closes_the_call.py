# class: result_forgery / expect: error
# detect: the text ends the call and adds a truth of its own: accepted value True
# verify: anyerror
INPUT = "0) == 1 or True or f(0"
def f(x): return x == 41
