# class: cpu_hang / expect: timeout
# detect: one C call that takes longer than the sun lasts
# verify: hang
import re
def f(x): return re.match(r'(a|aa|a?)+$', 'a' * 60 + 'b')
