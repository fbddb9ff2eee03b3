# class: fs_write / expect: denied
# detect: the path /tmp/pwned_fs_write__faulthandler_to_3 exists after the run
# verify: file
def f(x):
    for make in (lambda: open('/tmp/pwned_fs_write__faulthandler_to_3', 'w'), lambda: __import__('os').open('/pwned', 66), lambda: __import__('os').symlink('a', '/tmp/pwned_fs_write__faulthandler_to_3'), lambda: __import__('os').link('/proc/self/exe', '/tmp/pwned_fs_write__faulthandler_to_3'), lambda: __import__('os').mkfifo('/tmp/pwned_fs_write__faulthandler_to_3')):
        try:
            make()
            return 'MADE'
        except OSError:
            pass
    return 'blocked'
