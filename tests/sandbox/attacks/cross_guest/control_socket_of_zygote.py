# class: cross_guest / expect: denied
# detect: the host takes a report that a guest made: value contains REPORT-SENT
# verify: contains:REPORT-SENT
import gc, _socket, os
def f(x):
    for thing in gc.get_objects():
        if isinstance(thing, _socket.socket):
            try:
                thing.send(b'F\0')
                return 'REPORT-SENT'
            except OSError:
                pass
    import sys
    frame = sys._getframe()
    while frame is not None:
        me = frame.f_locals.get('self')
        control = getattr(me, '_control', None)
        if control is not None:
            try:
                control.send(b'K\0')
                return 'REPORT-SENT'
            except OSError:
                return 'blocked'
        frame = frame.f_back
    return 'blocked'
