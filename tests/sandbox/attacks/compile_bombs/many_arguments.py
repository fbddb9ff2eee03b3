# class: compile_bombs / expect: ok-contained
# detect: a function of a hundred thousand arguments
# verify: anyvalue
def f(x):
    exec('def g(%s): pass' % ', '.join('a%d=0' % n for n in range(60_000)), {})
    return 1
