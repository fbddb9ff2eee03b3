# class: compile_bombs / expect: error
# detect: implicit joining of many texts
# verify: anyerror
def f(x):
    return len(eval("'a' " * 300000))
