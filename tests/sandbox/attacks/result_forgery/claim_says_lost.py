# class: result_forgery / expect: error
# detect: the call is tried again or its verdict is one of the host's own
# verify: anyerror
def _job():
    import sys
    frame = sys._getframe()
    while frame is not None:
        job = frame.f_locals.get('job')
        if job is not None and hasattr(job, 'token'):
            return job
        frame = frame.f_back
    return None
def _send(job, values):
    import posix
    sz = lambda n: n.to_bytes(4, 'big')
    body = job.token + b'\0' + b'\xff' * 4 + b'\0' + sz(len(values))
    body += b''.join(sz(len(v)) + v for v in values)
    data = sz(len(body)) + body
    while data:
        data = data[posix.write(3, data):]
    posix._exit(0)

def f(x):
    import posix
    job = _job()
    for kind in (7, 8, 200):
        body = job.token + bytes([kind]) + b'\xff' * 4 + b'\4LOST' + bytes(4)
        posix.write(3, (len(body)).to_bytes(4, 'big') + body)
    posix._exit(0)
