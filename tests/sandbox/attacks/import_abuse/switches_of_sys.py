# class: import_abuse / expect: ok-contained
# detect: switches of the interpreter stay for the next guest
# verify: reuse
VICTIM = 'import sys\ndef f(x): return [sys.getrecursionlimit(), sys.getswitchinterval(), sys.dont_write_bytecode, sys.displayhook is sys.__displayhook__, sys.get_int_max_str_digits()]'
import sys
def f(x):
    sys.setrecursionlimit(77)
    sys.setswitchinterval(9.0)
    sys.dont_write_bytecode = not sys.dont_write_bytecode
    sys.displayhook = sys.excepthook = sys.unraisablehook = lambda *a: None
    sys.set_int_max_str_digits(640)
    return 1
