# class: result_forgery / expect: error
# detect: a judge that reads the verdict from standard output reads "True"
# verify: anyerror
INPUT = "print('True', flush=True) or 3"
def f(x): return x
