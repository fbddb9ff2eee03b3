# class: result_forgery / expect: ok-contained
# detect: the value contains FORGED: the encoder used a function of the program
# verify: contains:FORGED
def f(x):
    import sys
    for name in list(sys.modules):
        if name.endswith('.canon') or name.endswith('.claim'):
            mod = sys.modules[name]
            for key, value in list(vars(mod).items()):
                if callable(value) and not isinstance(value, type):
                    try:
                        setattr(mod, key, lambda *a, **k: b'S\0\0\0\6forged')
                    except Exception:
                        pass
    return 'plain'
