# class: compile_bombs / expect: error
# detect: a constant folded to a number of a gigabyte
# verify: anyerror
def f(x): return eval('(((99 ** 99) ** 99) ** 99) ** 99 and 1 << (1 << 40)')
