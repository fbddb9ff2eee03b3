# class: cross_guest / expect: ok-contained
# detect: the next guest starts where this one went, with its umask and niceness
# verify: reuse
VICTIM = 'import os\ndef f(x):\n    try: return os.getcwd()\n    except OSError: return "unknown"'
import os
def f(x):
    for change in (lambda: os.chdir('/tmp'), lambda: os.umask(0), lambda: os.nice(19), lambda: os.setpriority(0, 0, 19)):
        try: change()
        except OSError: pass
    return 1
