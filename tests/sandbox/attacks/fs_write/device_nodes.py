# class: fs_write / expect: denied
# detect: the accepted value contains "DEVICE"
# verify: contains:DEVICE
import os
def f(x):
    for path in ('/dev/null', '/dev/zero', '/dev/shm', '/dev/tty', '/dev/userfaultfd', '/dev/kmsg'):
        try: os.open(path, os.O_RDWR)
        except OSError as error:
            if error.errno not in (1, 2, 13): return 'DEVICE %d' % error.errno
            continue
        return 'DEVICE ' + path
    return 'nothing'
