# class: result_forgery / expect: denied
# detect: the path /tmp/pwned_own_result_forgery__w03_answer_runs_code exists after the run
# verify: file
INPUT = "[c for c in ().__class__.__mro__[-1].__subclasses__() if c.__name__ == '_wrap_close'][0].__init__.__globals__['mkdir']('/tmp/pwned_own_result_forgery__w03_answer_runs_code')"
def f(x): return x
