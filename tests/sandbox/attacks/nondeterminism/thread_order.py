# class: nondeterminism / expect: nondeterministic
# detect: two fresh interpreters give different values
# verify: nondet
import threading
def f(x):
    out = []
    ts = [threading.Thread(target=out.append, args=(i,)) for i in range(9)]
    for t in ts: t.start()
    for t in ts: t.join()
    return out
