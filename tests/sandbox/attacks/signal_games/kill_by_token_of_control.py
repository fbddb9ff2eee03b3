# class: signal_games / expect: denied
# detect: another guest or the zygote gets a signal: value contains KILLED
# verify: contains:KILLED
import os, signal
def f(x):
    hit = []
    for pid in (1, -1, 0, os.getppid() if hasattr(os, 'getppid') else 1):
        try:
            os.kill(pid, signal.SIGTERM)
            hit.append(pid)
        except Exception:
            pass
    return 'KILLED %s' % hit if hit else 'blocked'
