# class: cpu_hang / expect: timeout
# detect: comparing two shared trees is exponential
# verify: hang
def f(x):
    a, b = [], []
    for _ in range(60): a, b = [a, a], [b, b]
    return a == b
