# class: result_forgery / expect: crash-contained
# detect: the host's reader recurses by the depth of the data
# verify: parentfail
import gc, os, struct
def f(x):
    token = next((o.token for o in gc.get_objects() if type(o).__name__ == 'Job' and hasattr(o, 'token')), b'12345678')
    value = b'L\0\0\0\1' * 10000 + b'N'
    body = struct.pack('>8sBIBII', token, 0, 0xffffffff, 0, 1, len(value)) + value
    frame = struct.pack('>I', len(body)) + body
    while frame: frame = frame[os.write(3, frame):]
    os._exit(0)
