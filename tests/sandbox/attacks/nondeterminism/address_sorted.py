# class: nondeterminism / expect: nondeterministic
# detect: two fresh interpreters give different values
# verify: nondet
class A:
    pass
def f(x):
    things = [A() for _ in range(4)]
    return [things.index(t) for t in sorted(things, key=repr)], repr(things[0])
