# class: cpu_hang / expect: timeout
# detect: the host is kept busy by a guest that never stops writing
# verify: hang
import posix
def f(x):
    while True:
        posix.write(3, b'\0' * 4096)
