# class: signal_games / expect: crash-contained
# detect: a crash after much CPU time is taken for a timeout
# verify: signal:SIGABRT
def f(x):
    n = 0
    for i in range(9000000):
        n += i
    import os
    os.abort()
