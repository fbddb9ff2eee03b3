# class: result_forgery / expect: ok-contained
# detect: the accepted value contains "SEVENTEEN", which stands in a comment only
# verify: contains:SEVENTEEN
import inspect, linecache
# the answer is SEVENTEEN
def f(x):
    try: return [line for line in inspect.getsource(f).splitlines() if line.startswith('#')]
    except OSError: return linecache.getlines('<program>')
