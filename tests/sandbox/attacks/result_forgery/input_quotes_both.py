# class: result_forgery / expect: error
# detect: one quotation mark is read as the other
# verify: value:MIXED
INPUT = "'a\", \"b'"
def f(*x):
    return 'MIXED' if len(x) > 1 else 'none'
