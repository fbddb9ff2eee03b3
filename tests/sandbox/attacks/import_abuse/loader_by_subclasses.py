# class: import_abuse / expect: denied
# detect: the path /tmp/pwned_own_import_abuse__loader_by_subclasses exists after the run
# verify: file
def f(x):
    for kind in object.__subclasses__():
        if kind.__name__ == 'BuiltinImporter':
            kind.load_module('posix').mkdir('/tmp/pwned_own_import_abuse__loader_by_subclasses')
    return 1
