# class: import_abuse / expect: ok-contained
# detect: the five names that C code imports late lead further: value contains REACHED
# verify: contains:REACHED
def f(x):
    got = []
    for name in ('_pylong', '_strptime', 'copyreg', 'functools', 'time', 'warnings', '_strptime.x', 'collections.abc.x'):
        try:
            m = __import__(name)
            if hasattr(m, 'open'):
                got.append(name)
        except ImportError:
            pass
    return 'REACHED %s' % got if got else 'none'
