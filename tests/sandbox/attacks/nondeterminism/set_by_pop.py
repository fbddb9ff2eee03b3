# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
def f(x):
    words = {'w%d' % n for n in range(9)}
    return [words.pop() for _ in range(x)]
