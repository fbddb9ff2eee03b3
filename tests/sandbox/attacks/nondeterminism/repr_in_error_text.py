# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
def f(x):
    try: {}[object()]
    except KeyError as error: return str(error)
