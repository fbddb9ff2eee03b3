# class: output_abuse / expect: error
# detect: a view of memory changes after it was accepted
# verify: anyerror
import array
def f(x): return [memoryview(b'abc'), array.array('d', [1.5]), bytearray(3)]
