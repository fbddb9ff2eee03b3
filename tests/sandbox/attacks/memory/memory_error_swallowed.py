# class: memory / expect: timeout
# detect: a program that catches MemoryError and asks again holds the worker
# verify: hang
def f(x):
    kept = []
    while True:
        try: kept.append(bytearray(1 << 16))
        except MemoryError: pass
