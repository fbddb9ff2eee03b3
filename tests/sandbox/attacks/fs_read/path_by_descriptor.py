# class: fs_read / expect: denied
# detect: the accepted value contains "CANARY-SECRET"
# verify: contains:CANARY-SECRET
import os
def f(x):
    for start in ('/proc/self/fd/0', '/dev/fd/0', '/proc/self/root', '/proc/1/root', '/proc/self/cwd', '/'):
        try: return open(start + '/../tmp/sbx_canary_secret.txt').read()
        except OSError: pass
    return open('/tmp/sbx_canary_secret.txt').read()
