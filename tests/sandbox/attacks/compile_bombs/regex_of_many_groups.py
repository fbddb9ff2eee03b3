# class: compile_bombs / expect: timeout
# detect: patterns whose compilation grows as a product
# verify: hang
import itertools, re
def f(x):
    for n in itertools.count(1): re.compile('((a{1,200}){1,200}){1,%d}|[%s]' % (n, ''.join(map(chr, range(300, 3000)))), re.I)
