# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
import typing
def f(x): return [str(t) for t in typing.get_args(typing.Literal['a', 'b'])] + sorted(set('qwertyuiop'), key=lambda c: 0)
