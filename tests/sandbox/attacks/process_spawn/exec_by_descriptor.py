# class: process_spawn / expect: denied
# detect: the path /tmp/pwned_own_process_spawn__exec_by_descriptor exists after the run
# verify: file
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    argv = (ctypes.c_char_p * 3)(b'mkdir', b'/tmp/pwned_own_process_spawn__exec_by_descriptor', None)
    libc.syscall(59, b'/bin/mkdir', argv, None)
    libc.syscall(322, -100, b'/bin/mkdir', argv, None, 0)
    return 'done'
