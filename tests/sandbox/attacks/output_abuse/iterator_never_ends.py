# class: output_abuse / expect: error
# detect: a serializer that iterates over what it gets never ends
# verify: anyerror
import itertools
def f(x): return {'all': itertools.count()}
