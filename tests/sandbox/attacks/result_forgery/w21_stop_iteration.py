# class: result_forgery / expect: error
# detect: an exception that a judge does not expect costs it three runs and no verdict
# verify: anyerror
def f(x): raise (StopIteration, GeneratorExit, KeyboardInterrupt, SystemExit)[x % 4](0)
