# class: result_forgery / expect: ok-contained
# detect: floats of the next guest have the patched encoding
# verify: reuse
VICTIM = 'def f(x): return [0.5, 1e300, -0.0]'
VICTIM_EXPECT = '[0.5, 1e+300, -0.0]'
import struct, sys
def f(x):
    struct.pack = lambda form, *values: b'\0' * struct.calcsize(form)
    sys.modules['sandbox.guest.canon'].struct = struct
    return 2.5
