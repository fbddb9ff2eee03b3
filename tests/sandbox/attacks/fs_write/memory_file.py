# class: fs_write / expect: denied
# detect: the accepted value contains "MEMFILE"
# verify: contains:MEMFILE
import os
def f(x):
    fd = os.memfd_create('pwned')
    return 'MEMFILE %d' % os.write(fd, b'x')
