# class: cpu_hang / expect: timeout
# detect: a frame that comes a byte at a time keeps the host waiting past the limit
# verify: hang
import posix
def f(x):
    posix.write(3, b'\0\x0f\xff\xff')
    while True:
        n = sum(range(20000))
        posix.write(3, b'A')
