# class: result_forgery / expect: timeout
# detect: the judge computes the answer and hangs
# verify: hang
INPUT = "sum(1 for _ in iter(int, 1)) + 9 ** 9 ** 9"
def f(x): return x
