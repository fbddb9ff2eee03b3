# class: escape_syscall / expect: denied
# detect: the accepted value contains "ALLOWED" with a number besides the ten of pure computation
# verify: unsafe
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
# Left out: what kills, ends the process or is allowed (mmap mprotect munmap brk mremap madvise exit sigreturn write),
# and 335, 336 (uretprobe, uprobe), which newer kernels pass by every filter and answer with SIGILL.
SKIPPED = {153, 335, 336, 1, 9, 10, 11, 12, 15, 25, 28, 60, 231, 101, 310, 311, 321, 298, 323, 425, 426, 427, 250, 248, 249, 165, 166, 155, 161, 272, 308, 246, 175, 313, 304, 135, 317, 438, 320}
def f(x):
    for number in range(470):
        if number not in SKIPPED and (libc.syscall(number, -1, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() not in (1, 38)): return 'ALLOWED %d' % number
    return 'blocked'
