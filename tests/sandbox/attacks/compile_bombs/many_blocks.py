# class: compile_bombs / expect: error
# detect: too many statically nested blocks
# verify: anyerror
def f(x): return exec('\n'.join(' ' * n + 'for a%d in range(2):' % n for n in range(60)) + '\n' + ' ' * 60 + 'pass')
