"""Starts a zygote: a fresh interpreter with one socket, an empty environment and a hash seed.

Never a fork of the host, which may be large, threaded and full of secrets: the new process starts
by exec and reads the standard library and `sandbox.guest`, nothing else.
"""

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxUnavailable

# A stand-in for the package keeps `sandbox/__init__.py`, the host's half, out of the zygote.
_BOOT = """
import sys, types
package = types.ModuleType("sandbox")
package.__path__ = [sys.argv[1]]
sys.modules["sandbox"] = package
from sandbox.guest.zygote import main
main()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """What all zygotes of a pool have in common."""

    filter: bytes
    """Compiled system-call filter; empty only in a probe of the other layers."""
    modules: tuple[str, ...]
    task_modules: tuple[str, ...]
    namespaces: bool
    skip: tuple[str, ...] = ()
    """Layers left out, by a probe that wants to see the others work alone."""

    def config(self, *, uid: int, seed: int) -> dict[str, object]:
        """What one zygote is told."""
        return {
            "filter": self.filter.hex(),
            "modules": list(self.modules),
            "task_modules": list(self.task_modules),
            "namespaces": self.namespaces,
            "skip": list(self.skip),
            "uid": uid,
            "random_seed": seed,
        }


def start(seed: int) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A new zygote process and our end of its control socket, which it waits on for its config."""
    if not sys.executable:
        raise SandboxUnavailable("no sys.executable: a zygote needs a Python to start")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    root = str(Path(__file__).resolve().parent.parent)
    command = [sys.executable, "-P", "-s", "-S", "-X", "utf8", "-c", _BOOT, root]
    try:
        with theirs:
            process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                env=_environment(seed),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
    except OSError as error:
        ours.close()
        raise SandboxUnavailable(f"cannot start {sys.executable}: {error}") from error
    ours.setblocking(False)
    return process, ours


def _environment(seed: int) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k == "LD_LIBRARY_PATH"}
    return {"PYTHONHASHSEED": str(seed), **kept}
