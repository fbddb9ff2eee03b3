# class: fork_bomb / expect: denied
# detect: processes multiply
# verify: unsafe
import os
def f(x):
    while True: os.fork()
