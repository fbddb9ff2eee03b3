# class: memory / expect: oom
# detect: memory over the limit is had by several ways
# verify: error:MemoryError
import mmap
def f(x):
    held, total = [], 0
    while total < 1 << 31:
        for make in (lambda: bytearray(1 << 22), lambda: mmap.mmap(-1, 1 << 22), lambda: [0] * (1 << 19)):
            held.append(make())
            total += 1 << 22
    return 'HAD ALL'
