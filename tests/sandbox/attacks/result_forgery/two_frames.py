# class: result_forgery / expect: crash-contained
# detect: the second of two frames, or the first, is taken for the claim
# verify: parentfail
import gc, os, struct
def f(x):
    token = next((o.token for o in gc.get_objects() if type(o).__name__ == 'Job' and hasattr(o, 'token')), b'12345678')
    for leaf in (b'T', b'F'):
        body = struct.pack('>8sBIBII', token, 0, 0xffffffff, 0, 1, 1) + leaf
        os.write(3, struct.pack('>I', len(body)) + body)
    os._exit(0)
