# class: cpu_hang / expect: timeout
# detect: the harness asks for a text that never comes, after f has returned
# verify: anyerror
class Endless:
    def __repr__(self):
        while True: pass
    __str__ = __bool__ = __len__ = __hash__ = __iter__ = __repr__
def f(x): return [Endless()]
