# class: fork_bomb / expect: denied
# detect: processes are left behind
# verify: anyerror
import multiprocessing
def f(x): return multiprocessing.get_context('spawn').Pool(8).map(str, range(8))
