# class: import_abuse / expect: ok-contained
# detect: None, True or the empty tuple, overwritten, are overwritten for the next guest
# verify: reuse
VICTIM = 'def f(x): return [None, True, (), len(()), int(True), bool(0), 5 + 6]'
VICTIM_EXPECT = '[None, True, (), 0, 1, False, 11]'
import ctypes
def f(x):
    ctypes.c_ssize_t.from_address(id(()) + 16).value = 1 << 20
    for number in range(5, 12): ctypes.c_int32.from_address(id(number) + 24).value = 99
    ctypes.c_int32.from_address(id(True) + 24).value = 0
    return 1
