# class: network / expect: denied
# detect: the listener at the port gets something
# verify: net
import _socket
def f(port):
    made = []
    for family in range(0, 46):
        for kind in (1, 2, 3, 5):
            try:
                s = _socket.socket(family, kind)
                made.append(family)
                s.connect(('127.0.0.1', port))
                s.send(b'NET-OK')
            except Exception:
                pass
    return 'made %s' % made if made else 'blocked'
