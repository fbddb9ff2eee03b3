# class: fs_read / expect: denied
# detect: the accepted value contains "OPENED"
# verify: contains:OPENED
import struct
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    path = b'/tmp/sbx_canary_secret.txt'
    for number, args in ((2, (path, 0)), (257, (-100, path, 0)), (437, (-100, path, struct.pack('<QQQ', 0, 0, 0), ctypes.c_long(24))), (85, (path, 0o600)), (428, (-100, path, 0))):
        if libc.syscall(number, *args) >= 0: return 'OPENED %d' % number
    return 'blocked %d' % ctypes.get_errno()
