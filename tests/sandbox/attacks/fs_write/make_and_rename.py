# class: fs_write / expect: denied
# detect: the path /tmp/pwned_own_fs_write__make_and_rename exists after the run
# verify: file
import os
def f(x):
    for make in (lambda: os.mkfifo('/tmp/pwned_own_fs_write__make_and_rename'), lambda: os.mkdir('/tmp/pwned_own_fs_write__make_and_rename'), lambda: os.symlink('x', '/tmp/pwned_own_fs_write__make_and_rename'), lambda: os.link('/etc/hostname', '/tmp/pwned_own_fs_write__make_and_rename'), lambda: os.rename('/tmp/sbx_canary_secret.txt', '/tmp/pwned_own_fs_write__make_and_rename')):
        try: make()
        except OSError: pass
    return 1
