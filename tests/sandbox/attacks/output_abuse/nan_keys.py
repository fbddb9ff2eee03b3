# class: output_abuse / expect: error
# detect: a dict with many NaN keys has one canonical form for many values
# verify: anyerror
def f(x): return {float('nan'): 1, float('nan'): 2, 'set': {float('nan'), float('nan')}}
