# class: network / expect: denied
# detect: the accepted value contains "ALG-OK"
# verify: contains:ALG-OK
import socket
def f(x):
    for family in (38, 17, 16, 31, 29, 45):
        try: socket.socket(family, socket.SOCK_RAW if family == 17 else socket.SOCK_DGRAM)
        except PermissionError: continue
        except OSError: continue
        return 'ALG-OK %d' % family
    return 'blocked'
