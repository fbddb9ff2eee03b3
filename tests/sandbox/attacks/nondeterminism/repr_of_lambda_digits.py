# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
import re
def f(x): return int(re.search('0x([0-9a-f]+)', str(lambda: x)).group(1), 16) // 16
