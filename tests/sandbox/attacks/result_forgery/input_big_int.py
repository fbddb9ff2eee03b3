# class: result_forgery / expect: error
# detect: an int over the limit comes in by the short way
# verify: value:OVER
INPUT = "[" + "9" * 4301 + "]"
def f(x):
    return 'OVER'
