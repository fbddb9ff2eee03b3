# class: cross_guest / expect: denied
# detect: a later guest of the same pool returns SEEN-PREVIOUS (a mapping the zygote shares with its guests)
# verify: twophase:SEEN-PREVIOUS
import gc, mmap
def f(x):
    for thing in gc.get_objects():
        pass
    import sys
    frame = sys._getframe()
    while frame is not None:
        for value in list(frame.f_locals.values()):
            reserve = getattr(value, '_reserve', None)
            if type(reserve) is mmap.mmap:
                if reserve[:9] == b'MARK-7712':
                    return 'SEEN-PREVIOUS'
                reserve[:9] = b'MARK-7712'
                return 'wrote'
        frame = frame.f_back
    return 'none'
