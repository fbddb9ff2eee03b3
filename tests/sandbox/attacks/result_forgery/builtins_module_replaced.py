# class: result_forgery / expect: ok-contained
# detect: the harness looks a name up in builtins that the guest replaced
# verify: reuse
VICTIM = 'def f(x): return [len([1]), isinstance(1, int), type(2) is int]'
VICTIM_EXPECT = '[1, True, True]'
import sys, gc
def f(x):
    for module in gc.get_objects():
        if type(module) is type(sys) and module.__name__ == 'builtins':
            for name in ('len', 'type', 'isinstance', 'sorted', 'any', 'map'):
                module.__dict__[name] = lambda *a: 0
    sys.modules.clear()
    return 1
