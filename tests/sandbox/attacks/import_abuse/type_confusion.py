# class: import_abuse / expect: crash-contained
# detect: an int taken for an object: a fault of the guest only
# verify: signalany
import ctypes
def f(x):
    fake = (ctypes.c_ulong * 16)(1, id(list), 1 << 40, 0x4141414141414141)
    thing = ctypes.cast(ctypes.addressof(fake), ctypes.py_object).value
    return thing[1 << 20]
