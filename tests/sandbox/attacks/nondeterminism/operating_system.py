# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
import os, platform
def f(x): return [os.getppid(), os.cpu_count(), os.times(), os.getloadavg(), platform.uname()]
