# class: result_forgery / expect: crash-contained
# detect: a dict with one key twice, a set out of order, a NaN in another spelling reach the host as values
# verify: parentfail
import gc, os, struct
def f(x):
    token = next((o.token for o in gc.get_objects() if type(o).__name__ == 'Job' and hasattr(o, 'token')), b'12345678')
    value = b'L\0\0\0\3' + b'M\0\0\0\2' + b'I\0\0\0\1\1N' * 2 + b'E\0\0\0\2I\0\0\0\1\2I\0\0\0\1\1' + b'D\x7f\xf8\0\0\0\0\0\1'
    body = struct.pack('>8sBIBII', token, 0, 0xffffffff, 0, 1, len(value)) + value
    os.write(3, struct.pack('>I', len(body)) + body)
    os._exit(0)
