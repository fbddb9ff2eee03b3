# class: cross_guest / expect: denied
# detect: a later guest of the same pool returns SEEN-PREVIOUS
# verify: twophase:SEEN-PREVIOUS
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    name = ctypes.create_string_buffer(65)
    libc.getdomainname(name, 64)
    if name.value == b'pwned.name': return 'SEEN-PREVIOUS'
    return 'PLANTED' if libc.setdomainname(b'pwned.name', 10) == 0 else 'blocked %d' % ctypes.get_errno()
