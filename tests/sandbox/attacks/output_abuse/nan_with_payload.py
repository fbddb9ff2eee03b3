# class: output_abuse / expect: ok-contained
# detect: two NaNs that Python prints alike differ in canonical form
# verify: eq
import struct
GOLD_EQ = [0.0]
def f(x): return [struct.unpack('>d', bytes.fromhex('fff8000000000abc'))[0], float('nan')]
