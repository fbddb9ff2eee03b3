# class: signal_games / expect: denied
# detect: the CPU limit is moved: value contains LIMIT-MOVED
# verify: contains:LIMIT-MOVED
import resource
def f(x):
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
        return 'LIMIT-MOVED'
    except Exception as e:
        return 'blocked'
