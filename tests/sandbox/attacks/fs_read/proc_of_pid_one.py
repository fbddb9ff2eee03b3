# class: fs_read / expect: denied
# detect: the accepted value contains "PROC"
# verify: contains:PROC
import os
def f(x):
    for name in ('status', 'environ', 'cmdline', 'cwd', 'root', 'exe', 'fd', 'ns/pid', 'mountinfo'):
        for pid in ('1', 'self', 'thread-self', str(os.getppid())):
            try: os.stat('/proc/%s/%s' % (pid, name))
            except OSError: continue
            return 'PROC %s' % name
    return 'nothing'
