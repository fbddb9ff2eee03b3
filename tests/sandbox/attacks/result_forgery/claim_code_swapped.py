# class: result_forgery / expect: ok-contained
# detect: the next guest claims by the swapped code
# verify: reuse
VICTIM = 'def f(x): raise KeyError(x)'
import sys
def f(x):
    claim = sys.modules['sandbox.guest.claim']
    def pack(token, kind, *, failed=None, error='', values=()): return b''
    claim.pack.__code__ = pack.__code__
    return 1
