# class: signal_games / expect: denied
# detect: the parent receives a signal
# verify: sig:USR1
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    room = ctypes.create_string_buffer(128)
    for number, args in ((62, (1, 10)), (62, (-1, 0)), (200, (1, 10)), (234, (1, 1, 10)), (129, (1, 10, room)), (297, (1, 1, 10, room)), (424, (3, 10, None, 0))):
        libc.syscall(number, *args)
    return 'sent'
