# class: signal_games / expect: denied
# detect: the accepted value contains "TIMER"
# verify: contains:TIMER
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    room = ctypes.create_string_buffer(64)
    for number, args in ((222, (0, None, room)), (37, (1,)), (38, (0, room, None)), (283, (0, 0)), (230, (0, 0, room, None)), (35, (room, None))):
        if libc.syscall(number, *args) >= 0: return 'TIMER %d' % number
    return 'blocked %d' % ctypes.get_errno()
