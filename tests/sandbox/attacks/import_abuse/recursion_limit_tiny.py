# class: import_abuse / expect: ok-contained
# detect: the harness, which runs deeper than the limit the guest set, fails in a way that is no verdict
# verify: anyvalue
import sys
def f(x):
    sys.setrecursionlimit(len(list(iter_frames())) + 4)
    return [[[[[[[[[[x]]]]]]]]]]
def iter_frames():
    frame = sys._getframe()
    while frame: yield frame; frame = frame.f_back
