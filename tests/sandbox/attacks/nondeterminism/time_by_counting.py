# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
import threading, time
def f(x):
    start, n = time.perf_counter(), 0
    while time.perf_counter() - start < 0.01: n += 1
    return n
