# class: cross_guest / expect: ok-contained
# detect: the next program gets other arguments than its own: POISONED
# verify: reuse
VICTIM = "def f(x): return x"
VICTIM_EXPECT = "3"
import sys
def f(x):
    for name, module in list(sys.modules.items()):
        if name.startswith(('json', 'sandbox')) and module is not None:
            for key in list(vars(module)):
                if key in ('parse_plain', '_scan', 'parse_arguments', 'make_scanner', 'JSONDecoder'):
                    setattr(module, key, lambda *a, **k: (['POISONED'], {}))
    return 'set'
