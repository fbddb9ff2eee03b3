# class: cpu_hang / expect: timeout
# detect: the guest still runs at the wall limit
# verify: hang
import signal
def f(x):
    for number in range(1, 65):
        try: signal.signal(number, lambda *a: None)
        except BaseException: pass
    def again():
        try:
            while True: pass
        finally: again()
    while True:
        try: again()
        except BaseException: continue
