# class: result_forgery / expect: error
# detect: the INPUT text leaves the list that the short cut puts around it
# verify: value:LEFT
INPUT = "1],[1"
def f(*x):
    return 'LEFT'
