# class: output_abuse / expect: timeout
# detect: the host keeps what the guest prints
# verify: hang
import sys
def f(x):
    while True: print('x' * 100_000, file=sys.stderr); print('x' * 100_000)
