# class: fork_bomb / expect: denied
# detect: the accepted value contains "STARTED 40"
# verify: contains:STARTED 40
import _thread
def f(x):
    n = 0
    for i in range(40):
        try:
            _thread.start_new_thread(lambda: None, ())
            n += 1
        except Exception:
            pass
    return 'STARTED %d' % n
