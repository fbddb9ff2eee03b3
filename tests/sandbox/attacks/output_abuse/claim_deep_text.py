# class: output_abuse / expect: ok-contained
# detect: the host grows by hundreds of MB while it reads one claim of one MB
# verify: bigout:1000000
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
    n = 1040000
    _send(job, [b'U\0\0\0\1' * 63 + b'S' + n.to_bytes(4, 'big') + b'\0' * n]) if job else None
