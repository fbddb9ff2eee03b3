# class: network / expect: denied
# detect: the accepted value contains "RESOLVED" (a name of a host is a message)
# verify: contains:RESOLVED
import socket
def f(x): return 'RESOLVED %s' % socket.getaddrinfo('localhost', x)
