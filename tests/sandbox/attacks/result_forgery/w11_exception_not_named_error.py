# class: result_forgery / expect: error
# detect: a program that raises something not called ...Error is accepted, its gold empty
# verify: anyerror
class Finished(Exception):
    def __str__(self): return '[1, 2, 3]'
    __repr__ = __str__
def f(x): raise Finished([1, 2, 3])
