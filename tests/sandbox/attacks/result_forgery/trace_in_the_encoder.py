# class: result_forgery / expect: ok-contained
# detect: a trace function that f leaves behind runs in the harness and changes the value for the next guest too
# verify: reuse
VICTIM = 'import sys\ndef f(x): return [sys.gettrace() is None, sys.getprofile() is None]'
VICTIM_EXPECT = '[True, True]'
import sys, threading
def f(x):
    def spy(frame, event, arg):
        if 'value' in frame.f_locals: frame.f_locals['value'] = 'planted'
        return spy
    sys.settrace(spy)
    sys.setprofile(spy)
    threading.settrace(spy)
    frame = sys._getframe()
    while frame: frame.f_trace = spy; frame = frame.f_back
    return 'own'
