# class: result_forgery / expect: ok-contained
# detect: the value is FORGED by a finaliser that runs while it is encoded
# verify: value:FORGED
def f(x):
    import gc
    out = ['plain', None]
    class Late:
        def __del__(self):
            out[0] = 'FORGED'
    out[1] = Late()
    gc.set_threshold(1)
    return out
