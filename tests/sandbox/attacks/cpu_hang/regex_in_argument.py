# class: cpu_hang / expect: timeout
# detect: the guest is still running at the wall limit
# verify: hang
import re
def f(x):
    return bool(re.fullmatch(r'(a|a?)+$', 'a' * 60 + 'b'))
