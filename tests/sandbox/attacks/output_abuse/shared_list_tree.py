# class: output_abuse / expect: error
# detect: thirty lists that hold each other are a billion nodes
# verify: anyerror
def f(x):
    tree = [1]
    for _ in range(30): tree = [tree, tree]
    return tree
