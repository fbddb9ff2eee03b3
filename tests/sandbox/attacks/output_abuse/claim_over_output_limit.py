# class: output_abuse / expect: ok-contained
# detect: an accepted value is larger than the limit for one value
# verify: bigout:900000
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
    job = _job()
    _send(job, [b'B' + (900000).to_bytes(4, 'big') + b'x' * 900000]) if job else None
