# class: cpu_hang / expect: timeout
# detect: one C call of hours
# verify: hang
def f(x): return (1 << 200_000_000) // ((1 << 90_000_001) + 1) % 3
