# class: compile_bombs / expect: error
# detect: the compiler recurses once per attribute
# verify: anyerror
def f(x): return eval('x' + '.a' * 200_000)
