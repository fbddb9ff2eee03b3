# class: import_abuse / expect: ok-contained
# detect: modules that the guest replaces are replaced for the next
# verify: reuse
VICTIM = 'import json, math, re\ndef f(x): return [json.loads("[1]"), math.sqrt(9), re.sub("a", "b", "aa")]'
VICTIM_EXPECT = "[[1], 3.0, 'bb']"
import json, math, re, sys, types
def f(x):
    for module in (json, math, re):
        for name in list(vars(module)):
            if not name.startswith('__'): setattr(module, name, lambda *a, **k: 'poison')
        sys.modules[module.__name__] = types.SimpleNamespace()
    return 1
