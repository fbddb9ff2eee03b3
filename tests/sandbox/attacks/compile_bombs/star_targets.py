# class: compile_bombs / expect: error
# detect: the compiler in the worker crashes, hangs or eats memory
# verify: anyerror
def f(x):
    return eval('[' + ','.join('*a' for _ in range(60000)) + ']', {'a': [0] * 2000})
