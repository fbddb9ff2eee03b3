# class: fs_write / expect: denied
# detect: the path /tmp/pwned_own_fs_write__bytecode_cache exists after the run
# verify: file
import compileall, importlib.util, marshal
def f(x):
    importlib.machinery.SourcelessFileLoader
    from importlib._bootstrap_external import _write_atomic
    _write_atomic('/tmp/pwned_own_fs_write__bytecode_cache', marshal.dumps((lambda: 1).__code__))
    return 1
