# class: nondeterminism / expect: nondeterministic
# detect: the value depends on the harness's frames, reached without a name that a screen refuses
# verify: nondet
import operator
def f(x):
    def wait(): yield running
    running = wait()
    frame = next(running)
    up = operator.attrgetter('gi_frame')(running)
    return [str(up), str(operator.attrgetter('f_globals')(up))[:2000]]
