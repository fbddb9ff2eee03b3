# class: process_spawn / expect: denied
# detect: the path /tmp/pwned_own_process_spawn__daemon exists after the run
# verify: file
import os
def f(x):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.mkdir('/tmp/pwned_own_process_spawn__daemon')
        os._exit(0)
    return 1
