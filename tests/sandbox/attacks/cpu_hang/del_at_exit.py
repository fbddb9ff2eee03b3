# class: cpu_hang / expect: timeout
# detect: the guest is still running at the wall limit
# verify: hang
class A:
    def __del__(self):
        while True:
            pass
keep = A()
def f(x):
    global keep
    del keep
    return 1
