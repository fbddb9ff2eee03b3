# class: memory / expect: oom
# detect: a table that grows in jumps
# verify: unsafe
def f(x):
    table = {}
    for n in iter(int, 1): table[len(table)] = n
