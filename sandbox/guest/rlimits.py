"""Layer: resource limits. What could hold memory outside the address space is zero.

Most are set once, by the zygote, and inherited; the zygote itself needs files, processes, time
and memory, so each guest sets those for itself.
"""

import os
import resource

from sandbox.guest import kernel

_STACK_BYTES = 8 << 20
_GUEST_FILES = 4
"""Standard input, output and error, and the call's socket."""


def limit_zygote() -> None:
    """No file content, no core dump, no locked memory, no message queue; a stack of 8 MB."""
    for which in (
        resource.RLIMIT_FSIZE,
        resource.RLIMIT_CORE,
        resource.RLIMIT_MEMLOCK,
        resource.RLIMIT_MSGQUEUE,
    ):
        resource.setrlimit(which, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    stack = _STACK_BYTES if hard == resource.RLIM_INFINITY else min(_STACK_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_STACK, (stack, stack))


def limit_guest(*, cpu_s: int, memory_bytes: int, processes: int) -> None:
    """`memory_bytes` is the whole address space, the zygote's part included."""
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_GUEST_FILES, _GUEST_FILES))


def address_space_bytes() -> int:
    """The size of this process as RLIMIT_AS counts it: the limit under which no page more fits.

    Found by halving, since a jail may have no /proc to read it from.
    """
    page = os.sysconf("SC_PAGE_SIZE")
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    too_small, enough = 0, 1 << 35 if soft == resource.RLIM_INFINITY else soft // page
    try:
        while enough - too_small > 1:
            pages = (too_small + enough) // 2
            resource.setrlimit(resource.RLIMIT_AS, (pages * page, hard))
            if kernel.has_room(page):
                enough = pages
            else:
                too_small = pages
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    return too_small * page
