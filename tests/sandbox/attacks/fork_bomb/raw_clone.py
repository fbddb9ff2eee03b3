# class: fork_bomb / expect: denied
# detect: the accepted value contains "FORKED 2"
# verify: contains:FORKED 2
import os
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    made = 0
    for number in (57, 56):
        pid = libc.syscall(number, 17, None, None, None, None)
        if pid == 0: os._exit(0)
        made += pid > 0
    return 'FORKED %d' % made
