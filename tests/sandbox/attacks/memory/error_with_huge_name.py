# class: memory / expect: error
# detect: an exception whose description does not fit in what memory is left
# verify: anyerror
def f(x):
    kept = []
    try:
        while True: kept.append(' ' * (1 << 18))
    except MemoryError:
        raise type('E' * (1 << 16), (Exception,), {})(kept)
