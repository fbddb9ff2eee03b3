# class: escape_syscall / expect: denied
# detect: the accepted value contains "CREDENTIAL"
# verify: contains:CREDENTIAL
import os
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    for number, args in ((126, (None, None)), (105, (-1,)), (106, (-1,)), (116, (-1, None)), (122, (-1,)), (123, (-1,)), (308, (3, 0)), (95, (0o77,))):
        if libc.syscall(number, *args) >= 0 and number != 95: return 'CREDENTIAL %d' % number
    return 'blocked %d' % ctypes.get_errno()
