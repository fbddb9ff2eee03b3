# class: result_forgery / expect: ok-contained
# detect: the next guest is answered by the swapped code
# verify: reuse
VICTIM = 'def f(x): return x * 2'
VICTIM_EXPECT = '6'
import sys
def f(x):
    program = sys.modules['sandbox.guest.program']
    for name in ('answer', '_values', '_call', '_guarded', '_literal'):
        function = getattr(program, name, None)
        if function is not None:
            function.__defaults__ = None
            function.__kwdefaults__ = {}
            function.__code__ = (lambda *a, **k: [b'N']).__code__
    return 1
