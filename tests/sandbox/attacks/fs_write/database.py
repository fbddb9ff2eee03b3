# class: fs_write / expect: denied
# detect: the path /tmp/pwned_own_fs_write__database exists after the run
# verify: file
def f(x):
    import sqlite3
    base = sqlite3.connect('/tmp/pwned_own_fs_write__database')
    base.execute('create table t (a)')
    base.commit()
    return 1
