# class: process_spawn / expect: denied
# detect: the path /tmp/pwned_own_process_spawn__posix_spawn exists after the run
# verify: file
import os
def f(x):
    os.posix_spawn('/bin/mkdir', ['mkdir', '/tmp/pwned_own_process_spawn__posix_spawn'], {})
    return 1
