# class: network / expect: denied
# detect: the loopback listener on 127.0.0.1:PORT (the argument) gets a connection
# verify: net
import socket
def f(x):
    with socket.create_connection(('127.0.0.1', x)) as peer: peer.sendall(b'PWNED-NET')
    return 'sent'
