# class: compile_bombs / expect: error
# detect: the compiler in the worker crashes, hangs or eats memory
# verify: anyerror
def f(x):
    text = ''.join(' ' * i + 'def g():\n' for i in range(99)) + ' ' * 99 + 'pass\n'
    exec(text)
    return 'compiled'
