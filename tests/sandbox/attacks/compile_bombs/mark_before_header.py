# class: compile_bombs / expect: denied
# detect: the path /tmp/pwned_own_compile_bombs__mark_before_header exists after the run
# verify: file
import os
def f(x):
    os.mkdir('/tmp/pwned_own_compile_bombs__mark_before_header')
    return 1
