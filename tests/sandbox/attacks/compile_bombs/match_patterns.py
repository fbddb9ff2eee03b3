# class: compile_bombs / expect: error
# detect: patterns nested deeper than the compiler can go
# verify: anyerror
def f(x): return exec('match x:\n case ' + '[' * 4000 + 'a' + ']' * 4000 + ': pass', {'x': 1})
