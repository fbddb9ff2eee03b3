# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
import sys
def f(x): return str(sys._getframe()) + str(sys.exc_info) + str(sys._current_frames())
