# class: result_forgery / expect: ok-contained
# detect: the accepted value contains "GOLD"
# verify: contains:GOLD
import gc, sys
def f(x):
    frame = sys._getframe()
    while frame:
        for name, value in {**frame.f_globals, **frame.f_locals}.items():
            if name.lower() in ('g' + 'old', 'expected', 'target', 'answer_key'): return ['G' + 'OLD', name]
        frame = frame.f_back
    for thing in gc.get_objects():
        if type(thing) is dict:
            for key in list(thing):
                if key in ('g' + 'old_output', 'expected_value', 'g' + 'old'): return ['G' + 'OLD', key]
    return 'nothing'
