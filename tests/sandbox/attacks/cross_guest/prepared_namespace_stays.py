# class: cross_guest / expect: ok-contained
# detect: the next program finds a name of this one: LEFT-BEHIND
# verify: reuse
VICTIM = "def f(x):\n try: return leftover\n except NameError: return 'clean'"
VICTIM_EXPECT = "'clean'"
leftover = 'LEFT-BEHIND'
import sys, builtins
def f(x):
    builtins.leftover = leftover
    sys.modules['leftover'] = sys
    sys.modules['builtins'].__dict__['leftover'] = leftover
    for frame in (sys._getframe(), sys._getframe(1)):
        frame.f_globals['leftover'] = leftover
    return 'set'
