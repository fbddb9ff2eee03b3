# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
def f(x):
    things = [type('T%d' % n, (), {}) for n in range(12)]
    return [thing.__name__ for thing in sorted(things, key=object.__repr__)] + [str(object())[-9:]]
