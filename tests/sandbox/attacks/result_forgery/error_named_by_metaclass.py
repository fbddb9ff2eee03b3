# class: result_forgery / expect: error
# detect: the harness asks a metaclass for a name and runs its code: the path /tmp/pwned_own_result_forgery__error_named_by_metaclass exists after the run
# verify: file
class Meta(type):
    @property
    def __name__(cls):
        import os; os.mkdir('/tmp/pwned_own_result_forgery__error_named_by_metaclass')
        return 'MemoryError'
    def __eq__(cls, other): return True
    def __hash__(cls): return hash(MemoryError)
    def __instancecheck__(cls, thing): return True
    def __subclasscheck__(cls, kind): return True
class Odd(BaseException, metaclass=Meta): pass
def f(x): raise Odd()
