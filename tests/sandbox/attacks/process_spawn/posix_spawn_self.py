# class: process_spawn / expect: denied
# detect: the accepted value contains "SPAWNED"
# verify: contains:SPAWNED
import os
def f(x):
    for call in (lambda: os.posix_spawn('/proc/self/exe', ['x'], {}), lambda: os.execve('/proc/self/exe', ['x'], {}), lambda: os.forkpty(), lambda: os.spawnv(1, '/bin/true', ['x'])):
        try:
            return 'SPAWNED %s' % (call(),)
        except OSError:
            pass
    return 'blocked'
