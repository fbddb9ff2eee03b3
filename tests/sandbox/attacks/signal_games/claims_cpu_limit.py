# class: signal_games / expect: crash-contained
# detect: a guest that dies early is reported as one whose time was up
# verify: signal:SIGXCPU
import signal
def f(x): signal.raise_signal(signal.SIGXCPU)
