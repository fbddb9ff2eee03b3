# class: fs_read / expect: denied
# detect: the accepted value contains "LOADED"
# verify: contains:LOADED
import importlib.machinery, pkgutil, runpy, zipimport
def f(x):
    for attempt in (lambda: pkgutil.get_data('json', 'decoder.py') or 1 / 0, lambda: importlib.machinery.SourceFileLoader('m', '/tmp/sbx_canary_secret.txt').get_data('/tmp/sbx_canary_secret.txt'), lambda: runpy.run_path('/tmp/sbx_canary_secret.txt'), lambda: zipimport.zipimporter('/tmp/sbx_canary_secret.txt')):
        try: return 'LOADED %r' % (attempt(),)
        except Exception: pass
    return 'blocked'
