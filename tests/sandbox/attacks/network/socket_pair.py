# class: network / expect: denied
# detect: the accepted value contains "PAIR-OK"
# verify: contains:PAIR-OK
import socket
def f(x):
    left, right = socket.socketpair()
    left.send(b'x')
    return 'PAIR-OK %r' % right.recv(1)
