# class: import_abuse / expect: crash-contained
# detect: a reader of hostile bytes in the guest: a fault of the guest only
# verify: signalany
import marshal, types
def f(x):
    blob = bytearray(marshal.dumps(f.__code__))
    for n in range(40, len(blob), 7): blob[n] ^= 0x55
    return types.FunctionType(marshal.loads(bytes(blob)), {})()
