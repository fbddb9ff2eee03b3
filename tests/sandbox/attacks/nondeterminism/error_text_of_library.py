# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
import json
def f(x):
    try: json.dumps({(lambda: 1): 2})
    except TypeError as error: first = str(error)
    try: sum([object()])
    except TypeError as error: second = str(error)
    try: json.loads(f)
    except TypeError as error: third = str(error)
    try: {}[f]
    except KeyError as error: return [first, second, third, str(error)]
