# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
import heapq
def f(x):
    heap = [(0, str(object()))] + [(0, repr(iter(())))]
    heapq.heapify(heap)
    return heapq.heappop(heap)
