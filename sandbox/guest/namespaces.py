"""Layer: own mount, pid, ipc, uts, net and cgroup namespaces, with a user namespace where needed.

A pid namespace begins with the next child, so the outer process leaves and the inner one, which
is pid 1 of the new namespace, becomes the zygote. With pid 1 every process of the namespace dies.
"""

import os

from sandbox.guest import kernel

NOBODY = 65534
_ALL = (
    kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWCGROUP
)


def leave() -> str:
    """Leave the host's namespaces; says which. OSError if the host does not allow it."""
    try:
        kernel.unshare(_ALL)
    except PermissionError:
        _leave_with_user()
        return "user mount pid ipc uts net cgroup"
    return "mount pid ipc uts net cgroup"


def _leave_with_user() -> None:
    """An ordinary user becomes nobody in a user namespace of its own, where it may do the rest."""
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(kernel.CLONE_NEWUSER | _ALL)
    _write("setgroups", "deny")
    _write("uid_map", f"{NOBODY} {uid} 1")
    _write("gid_map", f"{NOBODY} {gid} 1")


def _write(name: str, text: str) -> None:
    with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
        file.write(text)
