# class: result_forgery / expect: error
# detect: a process that ends with status 0 passes
# verify: exit0
import os
def f(x): os._exit(0)
