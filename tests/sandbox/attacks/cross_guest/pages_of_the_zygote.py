# class: cross_guest / expect: ok-contained
# detect: memory that this guest writes is the next guest's memory
# verify: reuse
VICTIM = 'import string, keyword\ndef f(x): return [string.ascii_lowercase[:3], string.digits]'
import ctypes, string
def f(x):
    for text in (string.ascii_lowercase, string.digits):
        ctypes.memset(id(text) + text.__sizeof__() - len(text) - 1, 0x58, len(text))
    return 1
