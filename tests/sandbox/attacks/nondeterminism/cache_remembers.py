# class: nondeterminism / expect: nondeterministic
# detect: the second call of f differs from the first
# verify: nondet
import functools
@functools.lru_cache
def g(n): return n
def f(x):
    g(x)
    return list(g.cache_info())
