# class: signal_games / expect: ok-contained
# detect: a guest that handles every signal is no longer killed, or the next guest has its handlers
# verify: reuse
VICTIM = 'import signal\ndef f(x): return [str(signal.getsignal(n)) for n in (2, 10, 15, 24)]'
import signal
def f(x):
    for number in range(1, 65):
        try: signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError): pass
    return 1
