"""Landlock: a second wall behind the empty root, on kernels that have it.

A ruleset that handles every right it knows and grants none: no file, no TCP port, no abstract
socket and no signal beyond this process tree. It does not mediate stat, UDP or netlink, which is
why it is never the first wall.
"""

import os
import struct

from sandbox.guest import kernel

_VERSION_FLAG = 1
_FS_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15}
_FS_RIGHTS = 16
_NET_RIGHTS = 0b11
_SCOPES = 0b11


def deny_all() -> str:
    """Confine this process and its children; says which rights. OSError if Landlock is off."""
    abi = kernel.syscall(kernel.LANDLOCK_CREATE_RULESET, 0, 0, _VERSION_FLAG)
    files = (1 << _FS_RIGHTS_BY_ABI.get(abi, _FS_RIGHTS)) - 1
    fields = [files]
    if abi >= 4:
        fields.append(_NET_RIGHTS)
    if abi >= 6:
        fields.append(_SCOPES)
    attributes = struct.pack(f"{len(fields)}Q", *fields)
    ruleset = kernel.syscall(kernel.LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)
    try:
        kernel.syscall(kernel.LANDLOCK_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    names = ("files", "TCP", "scopes")[: len(fields)]
    return f"ABI {abi}: {', '.join(names)}"
