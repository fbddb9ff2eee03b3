# class: compile_bombs / expect: error
# detect: the parser overflows its stack in a trusted process
# verify: anyerror
def f(x): return eval('-' * 500_000 + '1')
