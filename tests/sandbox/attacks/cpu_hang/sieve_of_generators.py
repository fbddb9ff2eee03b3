# class: cpu_hang / expect: timeout
# detect: generators in generators
# verify: hang
def f(x):
    def chain(it): yield from it
    it = iter(int, 1)
    for _ in range(500): it = chain(it)
    return sum(it)
