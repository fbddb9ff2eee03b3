# class: compile_bombs / expect: ok-contained
# detect: indentation hidden by form feeds and backslashes shows other code than a scanner reads
# verify: anyvalue
def f(x):
    if x: \
        x = \
            x + 1
    return x
