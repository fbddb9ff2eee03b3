# class: result_forgery / expect: error
# detect: the INPUT text ends the call and adds another; value TWICE
# verify: value:TWICE
INPUT = "1], [2"
def f(*x):
    return 'TWICE' if len(x) > 1 else 'none'
