# class: result_forgery / expect: error
# detect: a program that fails is taken for one that ends well
# verify: anyerror
import sys
def f(x):
    claim = sys.modules['sandbox.guest.claim']
    claim.Kind._member_map_['RAISED'] = claim.Kind.OK
    raise ValueError('after all')
