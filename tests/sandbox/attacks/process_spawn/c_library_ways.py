# class: process_spawn / expect: denied
# detect: the path /tmp/pwned_own_process_spawn__c_library_ways exists after the run
# verify: file
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    libc.popen.restype = ctypes.c_void_p
    libc.popen(b'/bin/mkdir /tmp/pwned_own_process_spawn__c_library_ways', b'r')
    libc.vfork
    libc.clone(ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(lambda _: 0), None, 17, None)
    return 'done'
