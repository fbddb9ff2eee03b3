# class: fs_read / expect: denied
# detect: the accepted value contains "'etc'"
# verify: contains:'etc'
import os
def f(x):
    for name in ('usr', 'tmp', 'var'):            # the working directory stays outside of the new root
        try: os.chroot('/' + name)
        except OSError: continue
        break
    for _ in range(40): os.chdir('..')
    return sorted(os.listdir('.'))
