# class: memory / expect: oom
# detect: the host or the worker loses memory
# verify: unsafe
def f(x):
    kept = []
    while True: kept.append(bytearray(1 << 20))
