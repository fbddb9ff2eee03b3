# class: result_forgery / expect: error
# detect: the INPUT expression rebinds a name that f uses; value OWNED
# verify: value:OWNED
INPUT = "(LIMIT := 4)"
LIMIT = 3
def f(x):
    return 'OWNED' if LIMIT != 3 else 'blocked'
