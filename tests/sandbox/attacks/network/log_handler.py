# class: network / expect: denied
# detect: the loopback listener on 127.0.0.1:PORT (the argument) gets a datagram from a log
# verify: net
import logging, logging.handlers
def f(x):
    handler = logging.handlers.DatagramHandler('127.0.0.1', x)
    handler.send(b'PWNED-NET')
    handler.emit(logging.makeLogRecord({'msg': 'PWNED-NET'}))
    return 'sent'
