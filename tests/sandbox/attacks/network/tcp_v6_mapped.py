# class: network / expect: denied
# detect: the loopback listener on 127.0.0.1:PORT (the argument) gets a connection
# verify: net
import socket
def f(x):
    peer = socket.socket(socket.AF_INET6)
    peer.connect(('::ffff:127.0.0.1', x))
    return 'sent'
