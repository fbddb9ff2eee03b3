# class: signal_games / expect: denied
# detect: the parent receives a signal
# verify: sig:USR1
import os, signal
def f(x):
    os.killpg(0, signal.SIGUSR1)
    return 'sent'
