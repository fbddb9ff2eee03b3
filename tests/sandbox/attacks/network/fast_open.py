# class: network / expect: denied
# detect: the loopback listener on 127.0.0.1:PORT (the argument) gets a connection made without connect
# verify: net
import socket
def f(x):
    peer = socket.socket()
    peer.sendto(b'PWNED-NET', 0x20000000, ('127.0.0.1', x))
    return 'sent'
