# class: signal_games / expect: crash-contained
# detect: SIGABRT of the guest only
# verify: signal:SIGABRT
import os
def f(x): os.abort()
