# class: signal_games / expect: denied
# detect: the accepted value contains "STACK" (a handler that survives an overflow of the stack)
# verify: contains:STACK
import faulthandler
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    if libc.sigaltstack(None, ctypes.create_string_buffer(64)) == 0: return 'STACK'
    faulthandler.register(10, file=3)
    return 'STACK'
