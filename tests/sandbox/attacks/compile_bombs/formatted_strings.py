# class: compile_bombs / expect: error
# detect: replacement fields in replacement fields, deeper than the parser goes
# verify: anyerror
def f(x):
    text = 'x'
    for _ in range(300): text = 'f"{%s:{%s}}"' % (text.replace('"', "'"), 'x')
    return eval(text)
