# class: result_forgery / expect: ok-contained
# detect: an argument list that JSON and Python read differently: value DIFFERENT
# verify: value:DIFFERENT
INPUT = "-0"
def f(*x):
    return 'no' if type(x[0]) is int else 'DIFFERENT'
