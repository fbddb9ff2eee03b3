# class: fs_write / expect: denied
# detect: the accepted value contains "UNNAMED"
# verify: contains:UNNAMED
import os
def f(x):
    fd = os.open('/tmp', os.O_TMPFILE | os.O_RDWR)
    return 'UNNAMED %d' % os.write(fd, b'x')
