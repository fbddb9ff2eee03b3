# class: signal_games / expect: denied
# detect: the accepted value contains "TIMER"
# verify: contains:TIMER
import signal
def f(x):
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.001)
    signal.setitimer(signal.ITIMER_PROF, 0.001)
    return 'TIMER'
