# class: result_forgery / expect: error
# detect: half a frame is taken for a whole one, or the host waits for the rest
# verify: hang
def f(x):
    import posix
    posix.write(3, b'\0\0\xff\xff' + b'A' * 40)
    posix._exit(0)
