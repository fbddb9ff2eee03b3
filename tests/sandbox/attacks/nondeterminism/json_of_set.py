# class: nondeterminism / expect: nondeterministic
# detect: two fresh interpreters give different values
# verify: nondet
import json
def f(x):
    return json.dumps({'a': {'p', 'q', 'r', 's'}}, default=list)
