# class: signal_games / expect: denied
# detect: the parent receives a signal because data came on a descriptor
# verify: sig:USR1
import fcntl, os
def f(x):
    fcntl.fcntl(3, fcntl.F_SETOWN, os.getppid())
    fcntl.fcntl(3, 10, 10)                        # F_SETSIG SIGUSR1
    fcntl.fcntl(3, fcntl.F_SETFL, os.O_ASYNC)
    return 'sent'
