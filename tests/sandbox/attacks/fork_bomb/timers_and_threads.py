# class: fork_bomb / expect: denied
# detect: the accepted value contains "THREADS 4"
# verify: contains:THREADS 4
import threading
def f(x):
    made = 0
    for _ in range(4):
        try: threading.Timer(0.01, print).start()
        except RuntimeError: continue
        made += 1
    return 'THREADS %d' % made
