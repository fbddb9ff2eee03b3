# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
import sys
def f(x): return [sys.getrefcount(None), sys.getrefcount(0), sys.getallocatedblocks()]
