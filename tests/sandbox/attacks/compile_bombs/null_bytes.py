# class: compile_bombs / expect: error
# detect: a source with null bytes is cut where a scanner does not see it
# verify: anyerror
def f(x): return eval('1 #\0\n + __import__("os").getpid()')
