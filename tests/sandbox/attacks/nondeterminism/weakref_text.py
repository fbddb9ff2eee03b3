# class: nondeterminism / expect: nondeterministic
# detect: two fresh interpreters give different values
# verify: nondet
import weakref
class A: pass
def f(x):
    a = A()
    return str(weakref.ref(a))
