"""The zygote: a small, jailed interpreter that forks one guest per call and runs none itself.

Started by the host as a fresh process with one inherited socket (control). Life of a zygote:

    outer  read the configuration, leave the namespaces, fork inner, wait for it
    inner  (pid 1) import the guests' modules, enter the jail, report, then for ever:
           FORK + slot + socket -> a guest in that slot;   KILL + slot -> no guest in that slot;
           a guest that ended -> its status and usage to the host

Several guests may run side by side, each in a slot of its own. The call's own socket carries the
job to the guest and the claim back; the zygote never reads it, so it never holds a program. It is
the parent of its guests and reaps them only here, so that a slot's pid is that of its guest until
the host has been told of the end. A closed control socket is the order to end.
"""

import array
import gc
import json
import mmap
import os
import resource
import select
import signal
import struct
import sys
from _socket import CMSG_SPACE, socket  # the module `socket` is half a megabyte for every fork
from typing import NoReturn

from sandbox.guest import claim, identity, kernel, quiet, rlimits
from sandbox.guest.claim import CALL_FD
from sandbox.guest.confine import LEFT_OUT, Jail
from sandbox.guest.job import Job
from sandbox.guest.program import REHEARSAL, Setting, answer

FORK, KILL = b"F", b"K"
"""First byte of the host's two orders; the second is the slot."""
ENDED = struct.Struct("<BidqqB")
"""Slot, wait status, CPU seconds, peak RSS in kB; the zygote's own peak RSS in kB and next fd."""
_MAX_CONFIG = 1 << 20
_ANCILLARY = CMSG_SPACE(4)
_write, _exit = os.write, os._exit  # a program may patch os; these are bound before it comes


def main() -> None:
    """Entry of the outer process; argv is the control socket's number."""
    control = socket(fileno=int(sys.argv[2]))
    config = json.loads(control.recv(_MAX_CONFIG))
    kernel.die_with_parent()
    jail = Jail(skip=frozenset(config["skip"]))
    if config["nsjail"]:  # this is pid 1 already; its start is the proof
        jail.report["namespaces"] = (os.getpid() == 1, config["nsjail"])
        _inner(control, config, jail, alive=None)
    if config["namespaces"]:
        jail.leave_namespaces()
    else:
        jail.report["namespaces"] = (False, "not asked for")
    alive, lifeline = os.pipe()
    inner = os.fork()
    if inner == 0:
        os.close(lifeline)
        _inner(control, config, jail, alive)
    control.close()
    os.waitpid(inner, 0)
    os._exit(0)


def _inner(control: socket, config: dict[str, object], jail: Jail, alive: int | None) -> NoReturn:
    """`alive` is a pipe that ends with the outer process, or None if that is none of ours."""
    try:
        kernel.die_with_parent()
        if alive is not None:
            if select.select([alive], [], [], 0)[0]:  # it died before we could ask to die with it
                os._exit(1)
            os.close(alive)
        zygote = _Zygote(control, config, jail)
        control.send(json.dumps(zygote.report).encode())
    except BaseException as error:  # noqa: BLE001 - the host must learn why there is no zygote
        control.send(json.dumps({"failure": f"{type(error).__name__}: {error}"}).encode())
        os._exit(1)
    zygote.serve()
    os._exit(0)


class _Zygote:
    """What every guest of this process inherits."""

    def __init__(self, control: socket, config: dict[str, object], jail: Jail) -> None:
        modules = frozenset(map(str, _list(config["modules"])))
        task_modules = frozenset(map(str, _list(config["task_modules"])))
        filters, slots, uid = config["filters"], config["slots"], config["uid"]
        assert isinstance(filters, dict)
        assert isinstance(slots, int)
        assert isinstance(uid, int)
        self._control = control
        self._pid = os.getpid()
        self._slots = slots
        self._filters = {name: _filter(text) for name, text in filters.items()}
        quiet.import_all(sorted(modules), random_seed=str(config["random_seed"]))
        quiet.silence()
        self._vm_bytes = rlimits.address_space_bytes()
        # Address space without memory, so nothing to copy; private, or guests would share it.
        self._reserve = mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._setting = Setting.prepare(modules, task_modules)
        self._answer(REHEARSAL)  # what is made at its first use is made here, once
        self._setting = Setting.prepare(modules, task_modules)  # without what that defined
        gc.collect()
        gc.freeze()
        gc.disable()
        jail.enter(uid=uid, slots=slots)
        self._jail = jail
        jail.report["seccomp"] = _describe(self._filters)
        self.report = {"layers": jail.report, "vm_bytes": self._vm_bytes}
        self._guests: dict[int, tuple[int, int]] = {}
        """pidfd -> slot, pid"""
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    # -- the zygote ------------------------------------------------------------------------------

    def serve(self) -> None:
        """Fork, kill and reap until the host goes away. Waits for the host and for all guests."""
        control = self._control.fileno()
        try:
            while True:
                for fd, _ in self._poll.poll():
                    if fd != control:
                        self._reap(fd)
                    elif not self._obey():
                        return
        except BrokenPipeError:
            pass
        finally:
            for _, pid in self._guests.values():
                os.kill(pid, signal.SIGKILL)

    def _obey(self) -> bool:
        """One order of the host; False when it is gone."""
        order, ancillary, _, _ = self._control.recvmsg(2, _ANCILLARY)
        if not order:
            return False
        slot = order[1]
        if order[:1] == FORK:
            self._fork(slot, _descriptor(ancillary))
        else:
            for held, pid in self._guests.values():
                if held == slot:  # if not, it has ended, and the report is on its way
                    os.kill(pid, signal.SIGKILL)
        return True

    def _fork(self, slot: int, call: int) -> None:
        pid = os.fork()
        if pid == 0:
            self._guest(slot, call)
        os.close(call)
        guest = os.pidfd_open(pid)
        self._guests[guest] = slot, pid
        self._poll.register(guest, select.POLLIN)

    def _reap(self, guest: int) -> None:
        slot, pid = self._guests.pop(guest)
        self._poll.unregister(guest)
        os.close(guest)
        _, status, usage = os.wait4(pid, 0)
        cpu_s = usage.ru_utime + usage.ru_stime
        own_rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self._control.send(
            ENDED.pack(slot, status, cpu_s, usage.ru_maxrss, own_rss, min(guest, 255))
        )

    # -- the guest -------------------------------------------------------------------------------

    def _guest(self, slot: int, call: int) -> NoReturn:
        """In the child: confine, run, claim, leave. Exit status 1 means no claim was sent."""
        try:
            os.dup2(call, CALL_FD)
            os.closerange(CALL_FD + 1, 1 << 20)
            identity.become_guest(self._jail.identity, slot)
            kernel.die_with_parent()  # after the change of uid, which clears it
            if os.getppid() != self._pid:
                _exit(1)
            job = Job.unpack(_read_job())
            self._confine(job)
            gc.enable()
            _write_all(self._answer(job))
            _exit(0)
        finally:
            _exit(1)

    def _confine(self, job: Job) -> None:
        if self._jail.is_on("rlimits"):
            rlimits.limit_guest(
                cpu_s=job.cpu_s,
                memory_bytes=self._vm_bytes + job.memory_bytes,
                processes=self._num_processes(job.threads),
            )
        if self._jail.is_on("clock") and not job.threads:
            kernel.trap_clock()
        chosen = self._filters["threads" if job.threads else "compute"]
        if chosen is not None:
            chosen.load()

    def _num_processes(self, threads: int) -> int:
        """The kernel counts all processes and threads of a uid: its slot's own, or everybody's."""
        if not threads:
            return 0
        return 1 + threads if self._jail.identity.has_slots else 2 + self._slots * (1 + threads)

    def _answer(self, job: Job) -> bytes:
        out_of_memory = claim.pack(job.token, claim.Kind.MEMORY, error="MemoryError")
        try:
            return answer(job, self._setting)
        except MemoryError:  # not even the exception could be described: give back the reserve
            self._reserve.close()
            return out_of_memory


def _list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


def _descriptor(ancillary: list[tuple[int, int, bytes]]) -> int:
    ((_, _, data),) = ancillary
    (descriptor,) = array.array("i", data)
    return descriptor


def _filter(instructions: str) -> kernel.Filter | None:
    """None only in a probe of the other layers."""
    return kernel.Filter(bytes.fromhex(instructions)) if instructions else None


def _describe(filters: dict[str, kernel.Filter | None]) -> tuple[bool, str]:
    compute = filters["compute"]
    if compute is None:
        return LEFT_OUT
    return True, f"allow-list of {compute.num_instructions} instructions"


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
