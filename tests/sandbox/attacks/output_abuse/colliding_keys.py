# class: output_abuse / expect: ok-contained
# detect: the host builds a dict whose keys all have one hash
# verify: anyvalue
def f(x): return {n * (2 ** 61 - 1): None for n in range(1, 3000)}
