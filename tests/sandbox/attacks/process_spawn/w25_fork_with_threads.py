# class: process_spawn / expect: denied
# detect: the path /tmp/pwned_own_process_spawn__w25_fork_with_threads exists after the run
# verify: file
import os, threading
def hold(lock):
    with lock: threading.Event().wait()
def f(x):
    lock = threading.Lock()
    try: threading.Thread(target=hold, args=(lock,), daemon=True).start()
    except RuntimeError: pass
    if os.fork() == 0:
        os.mkdir('/tmp/pwned_own_process_spawn__w25_fork_with_threads')
        os._exit(0)
    return 1
