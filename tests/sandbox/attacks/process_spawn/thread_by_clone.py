# class: process_spawn / expect: denied
# detect: the accepted value contains "THREAD"
# verify: contains:THREAD
import _thread
def f(x):
    done = _thread.allocate_lock()
    _thread.start_new_thread(lambda: None, ())
    return 'THREAD'
