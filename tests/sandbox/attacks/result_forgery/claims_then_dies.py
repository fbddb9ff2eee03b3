# class: result_forgery / expect: crash-contained
# detect: a good frame counts although its guest was killed
# verify: parentfail
import gc, os, struct, ctypes
def f(x):
    token = next((o.token for o in gc.get_objects() if type(o).__name__ == 'Job' and hasattr(o, 'token')), b'12345678')
    body = struct.pack('>8sBIBII', token, 0, 0xffffffff, 0, 1, 1) + b'T'
    os.write(3, struct.pack('>I', len(body)) + body)
    ctypes.string_at(8)
