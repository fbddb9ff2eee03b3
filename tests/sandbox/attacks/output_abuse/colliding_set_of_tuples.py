# class: output_abuse / expect: ok-contained
# detect: the host builds a set whose members all have one hash
# verify: anyvalue
def f(x): return {(n * (2 ** 61 - 1),) for n in range(1, 3000)}
