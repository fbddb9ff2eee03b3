# class: fs_read / expect: denied
# detect: the accepted value contains "root:"
# verify: contains:root:
def f(x):
    import importlib.machinery as m, sys
    for path in ('/etc/passwd', '/proc/self/environ', sys.executable or '/', '/proc/1/root/etc/passwd'):
        try:
            return m.FileFinder and m.SourceFileLoader('a', path).get_data(path).decode('latin-1')[:99]
        except OSError:
            pass
    return 'blocked'
