# class: memory / expect: oom
# detect: a compressed kilobyte is a gigabyte
# verify: unsafe
import zlib
def f(x):
    pressed = zlib.compress(bytes(1 << 20) * 64)
    out = []
    while True: out.append(zlib.decompress(pressed))
