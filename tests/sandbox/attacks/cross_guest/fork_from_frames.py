# class: cross_guest / expect: denied
# detect: a guest orders another guest of the zygote: value contains GUEST-MADE
# verify: contains:GUEST-MADE
import sys
def f(x):
    frame = sys._getframe()
    while frame is not None:
        me = frame.f_locals.get('self')
        if hasattr(me, '_fork'):
            try:
                me._fork(3, 3)
                return 'GUEST-MADE'
            except BaseException as e:
                return 'blocked ' + type(e).__name__
        frame = frame.f_back
    return 'blocked'
