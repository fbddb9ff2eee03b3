# class: cpu_hang / expect: timeout
# detect: the guest sleeps in the kernel and uses no CPU time
# verify: hang
import _thread
def f(x):
    lock = _thread.allocate_lock()
    with lock: lock.acquire(True, -1)
