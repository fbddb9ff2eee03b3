# class: process_spawn / expect: denied
# detect: the path /tmp/pwned_own_process_spawn__exec_in_place exists after the run
# verify: file
import os
def f(x): os.execv('/bin/mkdir', ['mkdir', '/tmp/pwned_own_process_spawn__exec_in_place'])
