# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
import json
def f(x): return json.dumps([object()], default=str)
