# class: output_abuse / expect: error
# detect: a value without an end
# verify: anyerror
def f(x):
    loop = []
    loop.append(loop)
    return {'again': (loop, [loop])}
