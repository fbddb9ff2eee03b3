# class: result_forgery / expect: crash-contained
# detect: the host reserves what a frame announces
# verify: parentfail
import gc, os, struct
def f(x):
    token = next((o.token for o in gc.get_objects() if type(o).__name__ == 'Job' and hasattr(o, 'token')), b'12345678')
    os.write(3, struct.pack('>I8sBIBII', 0xffffffff, token, 0, 0xffffffff, 0, 1, 0xfffffff0))
    os._exit(0)
