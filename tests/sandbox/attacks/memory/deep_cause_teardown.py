# class: memory / expect: crash-contained
# detect: the worker dies when a deep chain is taken down
# verify: signal:SIGSEGV
def f(x):
    x = ()
    for i in range(300000):
        x = (x, )
    class A: pass
    a = A()
    for i in range(300000):
        b = A(); b.a = a; a = b
    return 'none'
