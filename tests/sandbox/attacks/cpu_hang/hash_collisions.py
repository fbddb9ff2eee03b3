# class: cpu_hang / expect: timeout
# detect: a dict of quadratic time
# verify: hang
def f(x):
    table = {}
    for n in range(1, 200_000): table[n * (2 ** 61 - 1)] = n
    return len(table)
