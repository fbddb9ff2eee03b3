# class: cpu_hang / expect: timeout
# detect: the guest still runs at the wall limit and those behind it wait
# verify: hang
def f(x):
    numbers = list(range(20000))
    while True: numbers.sort(key=lambda n: -n); numbers.sort()
