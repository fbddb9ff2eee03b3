# class: network / expect: denied
# detect: the accepted value contains "ADOPTED"
# verify: contains:ADOPTED
import _socket
def f(port):
    try:
        s = _socket.socket(fileno=3)
        s.connect(('127.0.0.1', port))
        return 'ADOPTED'
    except OSError:
        pass
    try:
        s.getpeername()
        s.setsockopt(1, 7, 1 << 24)
        return 'ADOPTED'
    except OSError:
        return 'blocked'
