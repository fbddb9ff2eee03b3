# class: import_abuse / expect: crash-contained
# detect: bytecode that no compiler makes: a fault of the guest only
# verify: signalany
def f(x):
    code = (lambda: None).__code__
    broken = code.replace(co_code=bytes([101, 255, 100, 255, 83, 0, 116, 200, 83, 0]) * 20, co_stacksize=1, co_consts=())
    return type(f)(broken, {})()
