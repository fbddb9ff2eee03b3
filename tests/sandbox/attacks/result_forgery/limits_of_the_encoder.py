# class: result_forgery / expect: ok-contained
# detect: the encoder's limits, lifted by the guest, let the host read a value over its own
# verify: contains:MANY
import sys
def f(x):
    canon = sys.modules['sandbox.guest.canon']
    canon.MAX_NODES = canon.MAX_DEPTH = canon.MAX_INT_BITS = 1 << 60
    canon._Encoder.__init__ = lambda self, max_bytes: (setattr(self, 'bytes_left', 1 << 60), setattr(self, 'nodes_left', 1 << 60))[0]
    return [0] * 30000 + ['M' + 'ANY']
