# class: import_abuse / expect: ok-contained
# detect: names that the guest puts into its builtins are there for the next
# verify: reuse
VICTIM = 'def f(x):\n    try: return planted\n    except NameError: return "clean"'
VICTIM_EXPECT = "'clean'"
import builtins, sys
def f(x):
    for home in (builtins.__dict__, sys.modules['builtins'].__dict__, __builtins__.__dict__ if hasattr(__builtins__, '__dict__') else __builtins__):
        home['planted'] = 'planted'
    return 1
