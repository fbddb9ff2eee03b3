# class: fs_write / expect: denied
# detect: the path /tmp/pwned_own_fs_write__faulthandler_file exists after the run
# verify: file
import faulthandler, logging
def f(x):
    logging.basicConfig(filename='/tmp/pwned_own_fs_write__faulthandler_file', force=True)
    logging.error('x')
    return 1
