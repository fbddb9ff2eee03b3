# class: compile_bombs / expect: error
# detect: the compiler overflows its stack in a trusted process
# verify: anyerror
def f(x): return eval('lambda: ' * 5000 + '1')
