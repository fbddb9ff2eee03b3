# class: compile_bombs / expect: error
# detect: a reader that takes every file for UTF-8 raises in a trusted process
# verify: anyerror
def f(x):
    return 'ÿşÃ(í €'
