# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
class Key:
    def __init__(self, text): self.text = text
    def __hash__(self): return hash(self.text)
    def __eq__(self, other): return self.text == other.text
def f(x): return [key.text for key in {Key(str(n)) for n in range(9)}]
