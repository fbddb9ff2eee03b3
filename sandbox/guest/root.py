"""Layer: an empty, read-only root. The old one is detached, not only hidden."""

import os

from sandbox.guest import kernel

_MOUNT_POINTS = ("/tmp", "/var", "/usr", "/dev")
_QUIET = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC


def enter_empty() -> str:
    """Make a tmpfs with nothing in it the root of this mount namespace, then seal it."""
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    point = next(path for path in _MOUNT_POINTS if os.access(path, os.X_OK))
    kernel.mount("none", point, kind="tmpfs", flags=_QUIET, data="size=4k,nr_inodes=2,mode=555")
    os.chdir(point)
    kernel.pivot_root(".", ".")
    kernel.detach(".")
    os.chdir("/")
    kernel.mount("none", "/", flags=kernel.MS_REMOUNT | kernel.MS_RDONLY | _QUIET)
    kernel.set_hostname(b"guest")
    return "empty, read-only"
