# class: result_forgery / expect: ok-contained
# detect: a later argument list runs another f than the text says: FORGED
# verify: value:FORGED
import sys
def f(x):
    sys.modules[__name__].__dict__['f'] = lambda y: 'FORGED'
    return 'plain'
