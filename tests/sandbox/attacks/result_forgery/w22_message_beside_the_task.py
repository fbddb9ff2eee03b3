# class: result_forgery / expect: ok-contained
# detect: the accepted value contains "MESSAGE" (a text handed to the guest besides its own program and arguments)
# verify: contains:MESSAGE
import gc
def f(x):
    for thing in gc.get_objects():
        if type(thing).__name__ == 'Job' and hasattr(thing, 'args'):
            extra = [name for name in type(thing).__slots__ if name in ('message', 'hint', 'expected', 'gold', 'solution')]
            if extra: return ['MESS' + 'AGE', extra]
    return 'nothing'
