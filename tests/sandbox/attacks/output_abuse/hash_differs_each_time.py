# class: output_abuse / expect: error
# detect: a key whose hash changes hangs or breaks the reader of a dict
# verify: anyerror
import itertools
ticks = itertools.count()
class Key:
    def __hash__(self): return next(ticks)
    def __eq__(self, other): raise ValueError
def f(x): return {Key(): Key()}
