"""One zygote as an operating-system process: its start, its report, its end.

Knows nothing of guests. A new object for every zygote: one that has ended is not started again.
"""

import asyncio
import json
import socket
import subprocess

from sandbox.errors import SandboxUnavailable
from sandbox.jail import launch
from sandbox.jail.cgroup import ControlGroup
from sandbox.limits import MAX_THREADS

_START_S = 60.0
_GRACE_S = 10.0
_OWN_PROCESSES = 4
"""Outer, inner, and trial children at the start."""


class ZygoteProcess:
    """A zygote that has reported for work, until `close`; `join` waits for what is left of it."""

    def __init__(
        self, process: subprocess.Popen[bytes], control: socket.socket, group: ControlGroup | None
    ) -> None:
        self.control = control
        """Non-blocking; orders out, reports in. Its close ends the zygote with all its guests."""
        self.pid = 0
        """The inner zygote, as the host sees it."""
        self.layers: dict[str, tuple[bool, str]] = {}
        self._process, self._group = process, group

    @classmethod
    async def start(cls, boot: launch.Boot, *, seed: int, uid: int) -> "ZygoteProcess":
        """Launch a zygote and wait for its report; SandboxUnavailable says why there is none."""
        group, group_state = _control_group(boot, seed)
        process, control = launch.start(seed, uid=uid, nsjail=boot.nsjail)
        started = cls(process, control, group)
        if group is not None:  # the zygote waits for its configuration: it has not forked yet
            group.add(process.pid)
        try:
            config = json.dumps(boot.config(uid=uid, seed=seed)).encode()
            async with asyncio.timeout(_START_S):
                await started._introduce(config)
        except (OSError, ValueError, TimeoutError) as error:
            cause = started._bury()
            raise SandboxUnavailable(f"the zygote died at its start: {cause}") from error
        except BaseException:
            started._bury()
            raise
        started.layers["cgroup"] = group_state
        return started

    async def _introduce(self, config: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.control, config)
        await _readable(self.control)
        data, self.pid = launch.receive_with_pid(self.control)
        report = json.loads(data)
        if "failure" in report:
            raise SandboxUnavailable(f"the zygote could not start: {report['failure']}")
        # From its report on a zygote dies with its outer process; before, not at every moment.
        if self._process.poll() is not None:
            raise SandboxUnavailable("the zygote's outer process ended before it had reported")
        layers = report["layers"]
        self.layers = {name: (bool(on), str(detail)) for name, (on, detail) in layers.items()}
        if self._group is not None:
            self._group.add(self.pid)  # nsjail may have forked it before
        assert self._process.stderr is not None
        self._process.stderr.close()

    def close(self) -> None:
        """Order the end; returns at once."""
        self.control.close()

    def join(self, timeout_s: float) -> None:
        """Wait until the processes are gone; they are killed when that takes too long. Blocks."""
        if self._group is not None:
            self._group.sweep()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._group is not None:
            self._group.close()

    def _bury(self) -> str:
        """End what did not start well; returns what it said on stderr."""
        self.control.close()
        self._process.kill()
        try:
            _, errors = self._process.communicate(timeout=_GRACE_S)
        except (subprocess.TimeoutExpired, ValueError):
            errors = b""
        if self._group is not None:
            self._group.sweep()
            self._group.close()
        return errors.decode("utf-8", "replace").strip()[-500:] or "it said nothing"


def _control_group(boot: launch.Boot, seed: int) -> tuple[ControlGroup | None, tuple[bool, str]]:
    """A control group for a new zygote, if one is asked for and can be had, and how that went."""
    if not boot.cgroup:
        return None, (False, "not asked for")
    most = _OWN_PROCESSES + boot.slots * (1 + MAX_THREADS)
    try:
        group = ControlGroup(f"{seed:08x}", max_processes=most)
    except OSError as error:
        return None, (False, str(error))
    return group, (True, group.detail)


async def _readable(control: socket.socket) -> None:
    """Wait until there is a message, or the end of the zygote."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def resolve() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(control.fileno(), resolve)
    try:
        await ready
    finally:
        loop.remove_reader(control.fileno())
