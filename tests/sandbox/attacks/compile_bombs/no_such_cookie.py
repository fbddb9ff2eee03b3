# coding: zlib_codec
# class: compile_bombs / expect: ok-contained
# detect: a codec that is no text codec, or none at all, is looked up in a trusted process
# verify: anyvalue
def f(x):
    return 1
