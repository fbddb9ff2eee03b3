# coding: latin-1
# class: compile_bombs / expect: ok-contained
# detect: the text means one thing by its cookie and another, or nothing, as UTF-8
# verify: anyvalue
def f(x):
    return ['éÿ', len('Ã©')]
