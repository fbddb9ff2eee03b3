# class: fork_bomb / expect: denied
# detect: processes multiply although each refusal is caught
# verify: unsafe
import os
def f(x):
    while True:
        try: os.fork()
        except OSError: pass
