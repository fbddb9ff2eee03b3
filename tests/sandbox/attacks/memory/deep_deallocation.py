# class: memory / expect: ok-contained
# detect: freeing a nest of a million levels overflows the C stack
# verify: anyvalue
def f(x):
    chain = None
    for _ in range(400_000): chain = [chain]
    del chain
    return 'freed'
