# class: fs_read / expect: ok-contained
# detect: the value contains CANARY-SECRET
# verify: contains:CANARY-SECRET
import linecache
def f(x):
    return ''.join(linecache.getlines('/tmp/sbx_canary_secret.txt')) or 'none'
