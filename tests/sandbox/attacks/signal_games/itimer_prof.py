# class: signal_games / expect: denied
# detect: a timer of its own ends the guest as if the host had: value contains TIMER-SET
# verify: contains:TIMER-SET
import signal
def f(x):
    try:
        signal.setitimer(signal.ITIMER_PROF, 0.01)
    except Exception:
        return 'blocked'
    while True:
        pass
