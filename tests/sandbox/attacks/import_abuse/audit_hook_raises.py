# class: import_abuse / expect: error
# detect: an audit hook that raises stops the harness
# verify: anyerror
import sys
def f(x):
    def hook(event, args): raise RuntimeError(event)
    sys.addaudithook(hook)
    compile('1', 's', 'eval')
