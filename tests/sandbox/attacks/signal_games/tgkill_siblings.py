# class: signal_games / expect: denied
# detect: a thread of another process gets a signal: value contains TGKILL-OK
# verify: contains:TGKILL-OK
import ctypes
def f(x):
    libc = ctypes.CDLL(None, use_errno=True)
    for n in range(1, 40):
        for call in ((234, n, n, 10), (200, n, 10), (62, n, 10), (129, n, 10, 0), (424, 3, 10, 0, 0)):
            if libc.syscall(*call) == 0:
                return 'TGKILL-OK'
    return 'blocked'
