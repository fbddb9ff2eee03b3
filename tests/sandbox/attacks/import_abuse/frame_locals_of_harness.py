# class: import_abuse / expect: ok-contained
# detect: the harness's own variables, written from inside, decide the next guest's verdict
# verify: reuse
VICTIM = 'def f(x): return [x, "own"]'
VICTIM_EXPECT = "[3, 'own']"
import ctypes, sys
def f(x):
    frame = sys._getframe(1)
    while frame:
        for name in list(frame.f_locals):
            if name in ('self', 'job', 'token', 'index', 'outputs'):
                frame.f_locals[name] = None
                try: ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), 0)
                except AttributeError: pass
        frame = frame.f_back
    return 1
