# class: result_forgery / expect: timeout
# detect: a good frame counts although its guest never ends
# verify: hang
import gc, os, struct
def f(x):
    token = next((o.token for o in gc.get_objects() if type(o).__name__ == 'Job' and hasattr(o, 'token')), b'12345678')
    body = struct.pack('>8sBIBII', token, 0, 0xffffffff, 0, 1, 1) + b'T'
    os.write(3, struct.pack('>I', len(body)) + body)
    while True: pass
