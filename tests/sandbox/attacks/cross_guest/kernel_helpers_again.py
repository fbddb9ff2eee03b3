# class: cross_guest / expect: denied
# detect: the harness's own helpers give back what was given up: value contains REGAINED
# verify: contains:REGAINED
import sys
def f(x):
    got = []
    for name, module in list(sys.modules.items()):
        if not name.startswith('sandbox.guest'):
            continue
        for key, args in (('set_capabilities', (5, 6, 7)), ('unshare', (0x10000000,)), ('set_hostname', (b'owned',)), ('_become', (0,)), ('forbid_dumps', ())):
            call = getattr(module, key, None)
            if callable(call) and key != 'forbid_dumps':
                try:
                    call(*args)
                    got.append(key)
                except BaseException:
                    pass
    return 'REGAINED %s' % got if got else 'blocked'
