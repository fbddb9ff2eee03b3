# class: result_forgery / expect: ok-contained
# detect: a suspended generator writes when the interpreter closes it
# verify: value:FORGED
import os
def waiting():
    try: yield 1
    finally: os.write(3, b'FORGED')
def f(x):
    f.held = waiting()
    next(f.held)
    return 'HONEST'
