# class: fs_read / expect: ok-contained
# detect: the accepted value contains "CANARY-ENV"
# verify: contains:CANARY-ENV
import ctypes, gc
libc = ctypes.CDLL(None)
libc.getenv.restype = ctypes.c_char_p
def f(x):
    found = [libc.getenv(b'SBX_CANARY_ENV')]
    environ = ctypes.POINTER(ctypes.c_char_p).in_dll(libc, 'environ')
    for index in range(200):
        if not environ or environ[index] is None: break
        found.append(environ[index])
    return [text for text in found if text and b'CANARY' in text] or 'nothing'
