# class: nondeterminism / expect: nondeterministic
# detect: the value depends on what else is asked in the same call
# verify: nondet
import gc
def f(x):
    jobs = [thing for thing in gc.get_objects() if type(thing).__name__ == 'Job' and hasattr(thing, 'args')]
    return [len(job.args) for job in jobs]
