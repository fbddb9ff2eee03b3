# class: result_forgery / expect: crash-contained
# detect: an index or a kind out of range ends the host's reader
# verify: parentfail
import gc, os, struct
def f(x):
    token = next((o.token for o in gc.get_objects() if type(o).__name__ == 'Job' and hasattr(o, 'token')), b'12345678')
    body = struct.pack('>8sBIB', token, 200 + x, 0x7fffffff, 255) + (b'\x1b[2J\r\n\0' * 40)[:255] + struct.pack('>I', 0)
    os.write(3, struct.pack('>I', len(body)) + body)
    os._exit(0)
