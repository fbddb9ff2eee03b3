# class: network / expect: denied
# detect: the loopback listener on 127.0.0.1:PORT (the argument) gets a connection
# verify: net
def f(x):
    from urllib.request import urlopen
    return urlopen('http://127.0.0.1:%d/PWNED-NET' % x, timeout=1).read()
