# class: nondeterminism / expect: nondeterministic
# detect: two processes differ (the text of a hint is evaluated, out of sight of a screen)
# verify: nondet
import typing
def f(x):
    class Holder:
        field: "typing.Literal[__import__('builtins').id(object())]"
    return typing.get_args(typing.get_type_hints(Holder)['field'])[0]
