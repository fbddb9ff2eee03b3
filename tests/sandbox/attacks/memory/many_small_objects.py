# class: memory / expect: oom
# detect: the worker or the host loses memory to small objects
# verify: unsafe
def f(x):
    kept = None
    while True: kept = (kept, object(), {})
