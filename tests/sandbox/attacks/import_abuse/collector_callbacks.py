# class: import_abuse / expect: ok-contained
# detect: a callback of the collector, or what is frozen, is there for the next guest
# verify: reuse
VICTIM = 'import gc\ndef f(x): return [len(gc.callbacks), gc.isenabled(), gc.get_debug()]'
VICTIM_EXPECT = '[0, True, 0]'
import gc
def f(x):
    gc.callbacks.append(lambda phase, info: None)
    gc.freeze()
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.set_threshold(1)
    gc.disable()
    return 1
