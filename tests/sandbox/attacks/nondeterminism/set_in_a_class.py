# class: nondeterminism / expect: nondeterministic
# detect: two fresh interpreters give different values
# verify: nondet
class Bag:
    def __init__(self, words):
        self.words = set(words)
    def __iter__(self):
        return iter(self.words)
def f(x):
    return ' '.join(Bag('the quick brown fox'.split()))
