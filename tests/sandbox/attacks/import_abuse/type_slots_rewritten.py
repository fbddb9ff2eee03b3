# class: import_abuse / expect: ok-contained
# detect: a slot of a builtin type, written through its memory, is written for the next guest
# verify: reuse
VICTIM = 'def f(x): return [[3, 1].index(1), (1).__add__(2), {"a": 1}.get("a")]'
VICTIM_EXPECT = '[1, 3, 1]'
import ctypes, gc
def f(x):
    for kind, name in ((list, 'index'), (int, '__add__'), (dict, 'get')):
        gc.get_referents(kind.__dict__)[0][name] = lambda *a: 'poison'
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))
    return 1
