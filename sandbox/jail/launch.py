"""Starts a zygote: a fresh interpreter with one socket, an empty environment and a hash seed.

Never a fork of the host, which may be large, threaded and full of secrets: the new process starts
by exec and reads the standard library and `sandbox.guest`, nothing else.
"""

import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxUnavailable
from sandbox.jail import with_nsjail

# A stand-in for the package keeps `sandbox/__init__.py`, the host's half, out of the zygote. Some
# modules ask to be called after every fork (random, to seed itself anew), which costs each guest
# and is undone by it. hashlib uses its own C code: OpenSSL is four megabytes more of attack surface
# and takes locks, which read the clock, which may be trapped.
_BOOT = """
import os, sys, types
os.register_at_fork = lambda **calls: None
sys.modules["_hashlib"] = None
package = types.ModuleType("sandbox")
package.__path__ = [sys.argv[1]]
sys.modules["sandbox"] = package
from sandbox.guest.zygote import main
main()
"""


_CREDENTIALS = struct.Struct("iII")  # pid, uid, gid


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """What all zygotes of a pool have in common."""

    filters: Mapping[str, bytes]
    """Compiled system-call filters by name; empty ones only in a probe of the other layers."""
    modules: tuple[str, ...]
    task_modules: tuple[str, ...]
    namespaces: bool
    nsjail: bool
    """nsjail leaves the namespaces, not the zygote."""
    slots: int
    """Guests that a zygote may have at once."""
    cgroup: bool = False
    """A control group around each zygote."""
    skip: tuple[str, ...] = ()
    """Layers left out, by a probe that wants to see the others work alone."""

    def config(self, *, uid: int, seed: int) -> dict[str, object]:
        """What one zygote is told."""
        return {
            "filters": {name: code.hex() for name, code in self.filters.items()},
            "modules": list(self.modules),
            "task_modules": list(self.task_modules),
            "namespaces": self.namespaces,
            "nsjail": with_nsjail.namespaces(uid) if self.nsjail else "",
            "slots": self.slots,
            "skip": list(self.skip),
            "uid": uid,
            "random_seed": seed,
        }


def start(seed: int, *, uid: int, nsjail: bool) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A new zygote process and our end of its control socket, which it waits on for its config."""
    if not sys.executable:
        raise SandboxUnavailable("no sys.executable: a zygote needs a Python to start")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    env = _environment(seed)
    try:
        with theirs, _command(theirs.fileno(), uid, env, nsjail) as (command, pass_fds):
            process = subprocess.Popen(
                command,
                pass_fds=pass_fds,
                env=env,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
    except OSError as error:
        ours.close()
        raise SandboxUnavailable(f"cannot start {sys.executable}: {error}") from error
    except BaseException:
        ours.close()
        raise
    ours.setblocking(False)
    return process, ours


@contextmanager
def _command(
    control_fd: int, uid: int, env: dict[str, str], nsjail: bool
) -> Iterator[tuple[list[str], tuple[int, ...]]]:
    root = str(Path(__file__).resolve().parent.parent)
    flags = ("-P", "-s", "-S", "-X", "utf8", "-c", _BOOT, root, str(control_fd))
    python = [sys.executable, *flags]
    if not nsjail:
        yield python, (control_fd,)
        return
    with with_nsjail.command(python, control_fd=control_fd, uid=uid, env=env) as jailed:
        yield jailed


def receive_with_pid(control: socket.socket) -> tuple[bytes, int]:
    """A message that is there, and the pid, as the host sees it, of the process that sent it.

    The kernel names the sender, which in a pid namespace of its own cannot know. Asked for once:
    credentials would take the room of the descriptors that later messages carry.
    """
    data, ancillary, _, _ = control.recvmsg(1 << 16, socket.CMSG_SPACE(_CREDENTIALS.size))
    control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            pid, _, _ = _CREDENTIALS.unpack(content)
            return data, pid
    return data, 0


def _environment(seed: int) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k == "LD_LIBRARY_PATH"}
    return {"PYTHONHASHSEED": str(seed), **kept}
