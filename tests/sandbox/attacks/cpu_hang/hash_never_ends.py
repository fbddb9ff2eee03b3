# class: cpu_hang / expect: timeout
# detect: the guest is still running at the wall limit (while the result is encoded or a dict is built)
# verify: hang
class K:
    def __hash__(self):
        while True:
            pass
def f(x):
    return {K(): 1}
