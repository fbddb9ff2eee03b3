# class: memory / expect: oom
# detect: memory over the limit
# verify: error:MemoryError
def f(x):
    d = {}
    while True:
        d = {i: d for i in range(1000)} | {str(len(d)): [d] * 100000}
