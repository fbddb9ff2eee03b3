# class: result_forgery / expect: ok-contained
# detect: hooks of asynchronous generators and coroutines are left for the next guest
# verify: reuse
VICTIM = 'import sys\ndef f(x): return [h is None for h in sys.get_asyncgen_hooks()] + [sys.get_coroutine_origin_tracking_depth()]'
VICTIM_EXPECT = '[True, True, 0]'
import sys
def f(x):
    sys.set_asyncgen_hooks(firstiter=print, finalizer=print)
    sys.set_coroutine_origin_tracking_depth(1000)
    async def forever():
        while True: yield 1
    step = forever().__anext__()
    try: step.send(None)
    except StopIteration: pass
    return 1
