# class: import_abuse / expect: ok-contained
# detect: an interned text, rewritten in place, is rewritten for the next guest
# verify: reuse
VICTIM = 'def f(x): return ["sort", getattr([2, 1], "copy")(), "upper"]'
VICTIM_EXPECT = "['sort', [2, 1], 'upper']"
import ctypes, sys
def f(x):
    for word, other in (('sort', b'tros'), ('copy', b'ypoc'), ('upper', b'reppu')):
        word = sys.intern(word)
        ctypes.memmove(id(word) + word.__sizeof__() - len(word) - 1, other, len(other))
    return 1
