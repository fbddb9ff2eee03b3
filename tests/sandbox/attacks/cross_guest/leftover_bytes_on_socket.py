# class: cross_guest / expect: ok-contained
# detect: bytes of this guest's call are read as part of the next one's
# verify: reuse
VICTIM = 'def f(x): return "mine"'
VICTIM_EXPECT = "'mine'"
import os
def f(x):
    for _ in range(50): os.write(3, b'\0\0\0\1' * 1000)
    return 'HONEST'
