# class: nondeterminism / expect: ok-contained
# detect: the depth left differs between two calls of one program
# verify: ctxdep
def f(x):
    depth = [0]
    def down():
        depth[0] += 1
        down()
    try: down()
    except RecursionError: pass
    return depth[0]
