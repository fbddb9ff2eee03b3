# class: escape_syscall / expect: denied
# detect: the accepted value contains "PASSED" (a descriptor sent to the host over the call's own socket)
# verify: contains:PASSED
import socket, array
def f(x):
    own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=3)
    own.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0, 1, 2, 3]))])
    return 'PASSED'
