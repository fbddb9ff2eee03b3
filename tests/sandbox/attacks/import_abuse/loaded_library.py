# class: import_abuse / expect: denied
# detect: the accepted value contains "LIBRARY"
# verify: contains:LIBRARY
import ctypes
def f(x):
    for name in ('libBrokenLocale.so.1', 'libcrypt.so.1', 'libthread_db.so.1', 'libnss_hesiod.so.2'):
        try: ctypes.CDLL(name)
        except OSError: continue
        return 'LIBRARY ' + name
    return 'blocked'
