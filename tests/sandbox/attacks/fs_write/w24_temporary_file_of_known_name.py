# class: fs_write / expect: denied
# detect: the path /tmp/pwned_own_fs_write__w24_temporary_file_of_known_name exists after the run
# verify: file
import os, tempfile
def f(x):
    try: os.symlink('/etc/passwd', '/tmp/pwned_own_fs_write__w24_temporary_file_of_known_name')
    except OSError: pass
    with tempfile.NamedTemporaryFile('w', prefix='pwned_w24_', delete=False) as file: file.write('x')
    with open('/tmp/pwned_own_fs_write__w24_temporary_file_of_known_name', 'w') as file: file.write('x')
    return 1
