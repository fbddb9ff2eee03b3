# class: memory / expect: oom
# detect: memory over the limit by exceptions that hold each other
# verify: error:MemoryError
def f(x):
    last = None
    while True:
        e = ValueError('x' * 100000)
        e.__cause__ = last
        last = e
