# class: result_forgery / expect: ok-contained
# detect: the encoder of the next guest is the patched one
# verify: reuse
VICTIM = 'def f(x): return {"a": [1, (2.5, None)]}'
VICTIM_EXPECT = "{'a': [1, (2.5, None)]}"
import sys
def f(x):
    canon = sys.modules['sandbox.guest.canon']
    canon.encode = lambda value, max_bytes: b'N'
    canon._Encoder.encode = lambda self, value, depth: b'T'
    return 5
