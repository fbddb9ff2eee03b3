# class: cross_guest / expect: ok-contained
# detect: the next program of the worker gets the patched sorted
# verify: reuse
VICTIM = 'import heapq, operator\ndef f(x): return [sorted([2, 1]), max(3, 4), heapq.nlargest(1, [5, 6]), operator.add(1, 1)]'
VICTIM_EXPECT = '[[1, 2], 4, [6], 2]'
import builtins, heapq, operator
def f(x):
    lie = lambda *a, **k: ['poison']
    for module, names in ((builtins, ('sorted', 'max', 'len')), (heapq, ('nlargest',)), (operator, ('add',))):
        for name in names: setattr(module, name, lie)
    return 1
