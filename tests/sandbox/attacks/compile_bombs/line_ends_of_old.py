# class: compile_bombs / expect: denied
# detect: the path /tmp/pwned_own_compile_bombs__line_ends_of_old exists after the run although the line that makes it looks like a comment
# verify: file
def f(x):
    # nothing here    import os    os.mkdir('/tmp/pwned_own_compile_bombs__line_ends_of_old')    return 1
