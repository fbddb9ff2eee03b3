# class: process_spawn / expect: denied
# detect: the accepted value contains "THREAD"
# verify: contains:THREAD
from concurrent.futures import ThreadPoolExecutor
def f(x):
    with ThreadPoolExecutor(2) as pool: return 'THREAD %s' % list(pool.map(str, range(3)))
