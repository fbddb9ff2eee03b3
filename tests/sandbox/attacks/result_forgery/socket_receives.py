# class: result_forgery / expect: denied
# detect: the accepted value contains "RECEIVED" (what the host or the zygote sends on fd 3)
# verify: contains:RECEIVED
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    buffer = ctypes.create_string_buffer(4096)
    for call in (lambda: libc.read(3, buffer, 4096), lambda: libc.recv(3, buffer, 4096, 0x40), lambda: libc.recvmsg(3, buffer, 0x40)):
        if call() >= 0: return 'RECEIVED'
    return 'blocked %d' % ctypes.get_errno()
