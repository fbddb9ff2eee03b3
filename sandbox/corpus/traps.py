"""What would notice a guest that got out: bait to read, listeners to reach, signals to send.

While the traps are set, this process

    listens    TCP and UDP on one loopback port, an abstract and a path-named unix socket
    baits      a secret in a file under /tmp, a secret in the environment
    catches    SIGUSR1 and SIGUSR2
    adopts     orphans of its descendants, so that a daemon shows as a child of ours

Programs name sockets and the secret by well-known names; `disguise` puts this run's own in their
place, so that two runs on one machine do not meet.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_ABSTRACT = "sbx_canary_abs"
_SOCKET = "/tmp/sbx_canary.sock"
_SECRET = "/tmp/sbx_canary_secret.txt"
TRAP_NAMES = ("sbx_canary_secret_", "sbx_canary_abs_")
"""How the names of our own traps begin."""
_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)
_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37


@dataclass(slots=True)
class Traps:
    """The traps as they are set; `sprung` tells and forgets what was caught."""

    port: int
    """Where TCP and UDP are listened to, on loopback."""
    folder: Path
    sockets: list[socket.socket]
    caught: list[int] = field(default_factory=list)

    def disguise(self, text: str) -> str:
        """A program's text with the names of this run's traps."""
        for name, own in (
            (_SOCKET, str(self.folder / "socket")),
            (_SECRET, str(self.folder / "secret.txt")),
            (_ABSTRACT, abstract_name()),
        ):
            text = text.replace(name, own)
        return text

    def sprung(self) -> list[str]:
        """What arrived since the last call; each is an escape."""
        found = [f"signal {signal.Signals(number).name} came" for number in self.caught]
        self.caught.clear()
        for trap in self.sockets:
            found += _arrivals(trap)
        return found


def _arrivals(trap: socket.socket) -> Iterator[str]:
    with contextlib.suppress(BlockingIOError):
        while True:
            if trap.type == socket.SOCK_DGRAM:
                trap.recv(1)
                yield "a datagram came"
            else:
                trap.accept()[0].close()
                yield f"a connection came by {trap.family.name}"


def abstract_name() -> str:
    """This process's own name of the abstract socket."""
    return f"{_ABSTRACT}_{os.getpid()}"


@contextlib.contextmanager
def traps_set() -> Iterator[Traps]:
    """Set all traps; everything is as before at the end. For the main thread only."""
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="sbx_canary_secret_"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        (folder / "secret.txt").write_text("CANARY-SECRET\n")
        port, sockets = _listeners(folder, stack)
        found = Traps(port, folder, sockets)
        for number in _SIGNALS:
            old = signal.signal(number, lambda number, _: found.caught.append(number))
            stack.callback(signal.signal, number, old)
        os.environ["SBX_CANARY_ENV"] = "CANARY-ENV"
        stack.callback(os.environ.pop, "SBX_CANARY_ENV", None)
        stack.enter_context(_orphans_adopted())
        yield found


def _listeners(folder: Path, stack: contextlib.ExitStack) -> tuple[int, list[socket.socket]]:
    tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    port = tcp.getsockname()[1]
    udp = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
    udp.bind(("127.0.0.1", port))
    sockets = [tcp, udp]
    for address in (f"\0{abstract_name()}", str(folder / "socket")):
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(address)
        unix.listen()
        sockets.append(unix)
    (folder / "socket").chmod(0o777)
    for trap in sockets:
        trap.setblocking(False)
    return port, sockets


@contextlib.contextmanager
def _orphans_adopted() -> Iterator[None]:
    libc = ctypes.CDLL(None)
    before = ctypes.c_int(0)
    libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(_PR_SET_CHILD_SUBREAPER, before.value, 0, 0, 0)
