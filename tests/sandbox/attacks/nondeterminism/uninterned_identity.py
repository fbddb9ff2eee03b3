# class: nondeterminism / expect: ok-contained
# detect: identity of equal texts differs between processes
# verify: nondet
def f(x):
    a, b = 'ab' * x, 'ababab'
    return [a is b, (256 + x) is (x + 256), float('1') is float('1')]
