# class: network / expect: denied
# detect: the accepted value contains "VSOCK-OK" (the way from a virtual machine to its host)
# verify: contains:VSOCK-OK
import socket
def f(x):
    socket.socket(40, socket.SOCK_STREAM).close()
    return 'VSOCK-OK'
