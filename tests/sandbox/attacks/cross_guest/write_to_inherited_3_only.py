# class: cross_guest / expect: denied
# detect: a later guest of the same pool returns SEEN-PREVIOUS (bytes left in a descriptor)
# verify: twophase:SEEN-PREVIOUS
import os
def f(x):
    for fd in range(0, 64):
        if fd == 3:
            continue
        try:
            data = os.read(fd, 64)
            if b'MARK-7711' in data:
                return 'SEEN-PREVIOUS'
        except OSError:
            pass
        try:
            os.write(fd, b'MARK-7711')
        except OSError:
            pass
    return 'none'
