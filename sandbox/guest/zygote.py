"""The zygote: a small, jailed interpreter that forks one guest per call and runs none itself.

Started by the host as a fresh process with one inherited socket (control). Life of a zygote:

    outer  read the configuration, leave the namespaces, fork inner, wait for it
    inner  (pid 1) import the guests' modules, enter the jail, report, then for ever:
           receive a socket -> fork -> hand the host a pidfd -> wait -> report status and usage

The call's own socket carries the job to the guest and the claim back; the zygote never reads it,
so it never holds a program. A closed control socket is the order to end: it kills the guest.
"""

import gc
import json
import os
import random
import select
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import NoReturn

from sandbox.guest import claim, confine, kernel, quiet
from sandbox.guest.claim import CALL_FD
from sandbox.guest.program import Job, answer

STARTED = b"S"
ENDED = struct.Struct("<cidq")
"""b"E", wait status, cpu seconds, max rss in kilobytes."""
_MAX_CONFIG = 1 << 20
_write, _exit = os.write, os._exit  # a program may patch os; these are bound before it comes


def main() -> None:
    """Entry of the outer process; argv is the control socket's number."""
    control = socket.socket(fileno=int(sys.argv[2]))
    config = json.loads(control.recv(_MAX_CONFIG))
    kernel.die_with_parent()
    report: confine.Report = {}
    if config["namespaces"]:
        confine.leave_namespaces(report)
    else:
        report["namespaces"] = (False, "not asked for")
    inner = os.fork()
    if inner == 0:
        _inner(control, config, report)
    control.send(json.dumps({"inner_pid": inner}).encode())
    control.close()
    os.waitpid(inner, 0)
    os._exit(0)


def _inner(control: socket.socket, config: dict[str, object], report: confine.Report) -> NoReturn:
    try:
        kernel.die_with_parent()
        zygote = _Zygote(control, config, report)
        control.send(json.dumps(zygote.report).encode())
    except BaseException as error:  # noqa: BLE001 - the host must learn why there is no zygote
        control.send(json.dumps({"failure": f"{type(error).__name__}: {error}"}).encode())
        os._exit(1)
    zygote.serve()
    os._exit(0)


class _Zygote:
    """What every guest of this process inherits."""

    def __init__(
        self, control: socket.socket, config: dict[str, object], report: confine.Report
    ) -> None:
        self._control = control
        names = config["modules"]
        assert isinstance(names, list)
        self._modules = frozenset(str(name) for name in names)
        tasks = config["task_modules"]
        assert isinstance(tasks, list)
        self._task_modules = frozenset(str(name) for name in tasks)
        self._random_seed = str(config["random_seed"])
        self._filter = _filter(str(config["filter"]), report)
        quiet.import_all(sorted(self._modules))
        quiet.silence()
        self._vm_bytes = _vm_bytes()
        self._has_clock_trap = False
        skip = config["skip"]
        uid = config["uid"]
        assert isinstance(skip, list)
        assert isinstance(uid, int)
        confine.enter_jail(report, uid=uid, skip=frozenset(skip))
        self._has_clock_trap = report["clock"][0]
        self._has_limits = "rlimits" not in skip
        report["rlimits"] = (
            self._has_limits,
            "cpu memory files processes" if self._has_limits else "",
        )
        self.report = {"layers": report, "vm_bytes": self._vm_bytes}
        self._reserve = bytearray(1 << 20)
        gc.collect()
        gc.freeze()
        gc.disable()

    def serve(self) -> None:
        """Fork guests until the host goes away. Waits for the host, or for host and guest."""
        while True:
            data, descriptors, _, _ = socket.recv_fds(self._control, 16, 1)
            if not data:
                return
            (call,) = descriptors
            pid = os.fork()
            if pid == 0:
                self._guest(call)
            os.close(call)
            if not self._see_out(pid):
                return

    def _see_out(self, pid: int) -> bool:
        """Tell the host of the guest's start and end; False if the host went away."""
        guest = os.pidfd_open(pid)
        try:
            socket.send_fds(self._control, [STARTED], [guest])
            if self._control in _first_ready(self._control, guest):
                os.kill(pid, signal.SIGKILL)  # the only message while a guest runs is the end
                os.waitpid(pid, 0)
                return False
        except BrokenPipeError:
            os.kill(pid, signal.SIGKILL)
            return False
        finally:
            os.close(guest)
        _, status, usage = os.wait4(pid, 0)
        cpu_s = usage.ru_utime + usage.ru_stime
        self._control.send(ENDED.pack(b"E", status, cpu_s, usage.ru_maxrss))
        return True

    def _guest(self, call: int) -> NoReturn:
        """In the child: confine, run, claim, leave. Exit status 1 means no claim was sent."""
        try:
            kernel.die_with_parent()
            os.dup2(call, CALL_FD)
            os.closerange(CALL_FD + 1, 1 << 20)
            job = Job.parse(_read_job())
            random.seed(self._random_seed)
            gc.enable()
            self._confine(job)
            _write_all(self._answer(job))
            _exit(0)
        finally:
            _exit(1)

    def _confine(self, job: Job) -> None:
        if self._has_limits:
            confine.limit_guest(cpu_s=job.cpu_s, memory_bytes=self._vm_bytes + job.memory_bytes)
        if self._has_clock_trap:
            kernel.trap_clock()
        if self._filter is not None:
            self._filter.load()

    def _answer(self, job: Job) -> bytes:
        out_of_memory = claim.pack(job.token, claim.Kind.MEMORY, error="MemoryError")
        try:
            return answer(job, modules=self._modules, task_modules=self._task_modules)
        except MemoryError:  # not even the exception could be described: give back the reserve
            self._reserve = bytearray()
            return out_of_memory


def _first_ready(control: socket.socket, guest: int) -> list[object]:
    waiting = select.poll()
    waiting.register(control, select.POLLIN)
    waiting.register(guest, select.POLLIN)
    ready = {fd for fd, _ in waiting.poll()}
    return [] if guest in ready else [control]


def _filter(instructions: str, report: confine.Report) -> kernel.Filter | None:
    if not instructions:  # only a probe of the other layers asks for this
        report["seccomp"] = (False, "left out on request")
        return None
    compiled = kernel.Filter(bytes.fromhex(instructions))
    report["seccomp"] = (True, f"allow-list of {len(instructions) // 16} instructions")
    return compiled


def _vm_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _read_job() -> bytes:
    (size,) = struct.unpack(">I", _read_exactly(4))
    return _read_exactly(size)


def _read_exactly(size: int) -> bytes:
    parts = []
    while size:
        part = os.read(CALL_FD, size)
        if not part:
            os._exit(1)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _write_all(frame: bytes) -> None:
    rest = memoryview(frame)
    while rest:
        rest = rest[_write(CALL_FD, rest) :]
