# class: result_forgery / expect: ok-contained
# detect: a weak reference's callback writes a frame of its own after the claim
# verify: value:FORGED
import os, weakref
class Thing: pass
def f(x):
    thing = Thing()
    f.keep = weakref.ref(thing, lambda ref: os.write(3, b'\0\0\0\6FORGED'))
    f.more = weakref.finalize(thing, os.write, 3, b'\0\0\0\6FORGED')
    f.cycle = thing
    return 'HONEST'
