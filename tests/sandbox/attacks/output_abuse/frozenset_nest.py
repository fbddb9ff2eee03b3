# class: output_abuse / expect: error
# detect: a frozenset of frozensets deeper than a reader recurses
# verify: anyerror
def f(x):
    nest = frozenset()
    for _ in range(500): nest = frozenset([nest])
    return nest
