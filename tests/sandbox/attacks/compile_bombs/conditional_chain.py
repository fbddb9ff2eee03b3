# class: compile_bombs / expect: error
# detect: the compiler recurses once per condition
# verify: anyerror
def f(x): return eval('1 if x else ' * 20_000 + '2')
