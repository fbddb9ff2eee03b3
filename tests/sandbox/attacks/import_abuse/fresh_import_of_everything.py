# class: import_abuse / expect: ok-contained
# detect: an import reads a file of the host: value contains IMPORTED
# verify: contains:IMPORTED
def f(x):
    import sys
    got = []
    for name in ('this', 'antigravity', 'turtle', 'idlelib', 'lib2to3', 'ensurepip', 'venv', 'pydoc_data.topics'):
        for way in (lambda: __import__(name), lambda: sys.modules['importlib'].import_module(name)):
            try:
                way()
                got.append(name)
            except BaseException:
                pass
    return 'IMPORTED %s' % got if got else 'none'
