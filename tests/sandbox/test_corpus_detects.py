"""A harness that cannot fail is worthless: whatever gets out must be reported.

A sandbox that is none, in this process: it does what an escaped guest would have done, or runs the
attack in a plain child. Each such program must be reported as not contained, and for that reason.
"""

import asyncio
import contextlib
import ctypes
import dataclasses
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest

from sandbox.call import Call, Cost, Outcome
from sandbox.corpus.hoststate import changes, rss_complaint, take
from sandbox.corpus.program import Header, Program, read_header
from sandbox.corpus.runner import LIMITS, Examiner, Row, blame_growth
from sandbox.corpus.traps import Traps, abstract_name, traps_set
from sandbox.guest import canon
from sandbox.limits import Limits
from sandbox.status import Status
from sandbox.verdict import Verdict

ATTACKS = Path(__file__).parent / "attacks"
NAME = f"pwned_by_test_{os.getpid()}"
PWNED = Path("/tmp") / NAME
STATUS = Status(
    jail="none", layers={}, num_workers=2, num_idle=2, num_running=0, num_waiting=0, num_starts=2,
    num_recycled=0, num_calls=0, verdicts={}, busy_s=0.0, pids=(),
)  # fmt: skip


def ok(value: object) -> Outcome:
    return Outcome(verdict=Verdict.OK, values=(canon.encode(value, max_bytes=1 << 16),), seed=1)


LATE = Outcome(verdict=Verdict.TIMEOUT, cost=Cost(wall_s=0.8, cpu_s=0.0, max_rss_mb=1.0))
HONEST = ok([True, [1, 2]])


class NoSandbox:
    """Honest to the honest call; the attack is whatever the test says."""

    def __init__(self, attack: Callable[[], Outcome]) -> None:
        self.attack = attack
        self.honest = HONEST
        self.victim = iter([ok(7)] * 99)
        self.num_starts = 2

    async def run(self, call: Call, **_where: object) -> Outcome:
        if call.program == "VICTIM":
            return next(self.victim)
        return self.attack() if call.program == "ATTACK" else self.honest

    def status(self) -> Status:
        return dataclasses.replace(STATUS, num_starts=self.num_starts)


def program(expect: str = "ok-contained", verify: str = "anything", **fields: object) -> Program:
    header = Header(kind="result_forgery", expect=expect, detect="see the test", verify=verify)
    return Program(name="x/y", header=header, texts=("ATTACK",), **fields)


@pytest.fixture
def traps() -> Iterator[Traps]:
    with traps_set() as found:
        yield found


async def row_of(traps: Traps, sandbox: NoSandbox, tried: Program) -> Row:
    examining = Examiner(sandbox, traps=traps, settle_s=0.1)
    await examining.warm_up([tried])
    return await examining.examine(tried)


async def test_what_harms_nothing_is_contained(traps: Traps):
    row = await row_of(traps, NoSandbox(lambda: ok("HONEST")), program(victim="VICTIM"))
    assert row.complaint == ""


# -- the host -------------------------------------------------------------------------------------


@contextlib.contextmanager
def file_left() -> Iterator[None]:
    PWNED.write_text("x")
    yield
    PWNED.unlink()


@contextlib.contextmanager
def shared_memory_left() -> Iterator[None]:
    path = Path("/dev/shm") / NAME
    path.write_text("x")
    yield
    path.unlink()


@contextlib.contextmanager
def file_of_a_guest_left() -> Iterator[None]:
    path = Path(f"/tmp/innocent_{os.getpid()}")
    path.write_text("x")
    os.chown(path, 61_000, 61_000)
    yield
    path.unlink()


@contextlib.contextmanager
def process_left() -> Iterator[None]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield
        process.kill()


@contextlib.contextmanager
def daemon_left() -> Iterator[None]:
    script = "sleep 60 </dev/null >/dev/null 2>&1 & echo $!"
    done = subprocess.run(["setsid", "sh", "-c", script], capture_output=True, check=True)
    pid = int(done.stdout)
    yield
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@contextlib.contextmanager
def thread_left() -> Iterator[None]:
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    yield
    end.set()
    thread.join()


@contextlib.contextmanager
def descriptor_left() -> Iterator[None]:
    fd = os.open("/dev/null", os.O_RDONLY)
    yield
    os.close(fd)


@contextlib.contextmanager
def umask_changed() -> Iterator[None]:
    old = os.umask(0o123)
    yield
    os.umask(old)


@contextlib.contextmanager
def directory_changed() -> Iterator[None]:
    with contextlib.chdir("/"):
        yield


@contextlib.contextmanager
def signal_ignored() -> Iterator[None]:
    old = signal.signal(signal.SIGVTALRM, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGVTALRM, old)


@contextlib.contextmanager
def signal_blocked() -> Iterator[None]:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    yield
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})


@contextlib.contextmanager
def system_v_left() -> Iterator[None]:
    libc = ctypes.CDLL(None)
    number = libc.shmget(0x5BCA11, 64, 0o1600)
    assert number >= 0
    yield
    libc.shmctl(number, 0, None)


@contextlib.contextmanager
def key_left() -> Iterator[None]:
    libc = ctypes.CDLL(None)
    add_key, keyctl, user_keyring, unlink = 248, 250, -4, 9  # on x86
    key = libc.syscall(add_key, b"user", NAME.encode(), b"v", ctypes.c_size_t(1), user_keyring)
    if platform.machine() != "x86_64" or key < 0:
        pytest.skip("this host gives no keys")
    yield
    libc.syscall(keyctl, unlink, key, user_keyring)


@contextlib.contextmanager
def socket_left() -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as own:
        own.bind(f"\0{NAME}")
        yield


LEAKS = {
    file_left: f"left: {PWNED}",
    shared_memory_left: f"left: /dev/shm/{NAME}",
    process_left: "process left",
    daemon_left: "process left",
    thread_left: "thread left",
    descriptor_left: "descriptor left",
    umask_changed: "Umask changed",
    directory_changed: "cwd changed",
    signal_ignored: "SigIgn changed",
    signal_blocked: "SigBlk changed",
    system_v_left: "System V object left",
    key_left: "key left",
    socket_left: f"left: @{NAME}",
}


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.__name__)
async def test_what_is_left_on_the_host_is_reported(traps: Traps, leak: Callable):
    await assert_leak_is_reported(traps, leak, LEAKS[leak])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another uid")
async def test_a_file_of_a_guest_is_reported_whatever_its_name(traps: Traps):
    await assert_leak_is_reported(traps, file_of_a_guest_left, "left: /tmp/innocent_")


async def assert_leak_is_reported(traps: Traps, leak: Callable, clause: str) -> None:
    with contextlib.ExitStack() as stack:
        entered: list[object] = []

        def attack() -> Outcome:
            if not entered:  # in one family; the other does no harm
                entered.append(stack.enter_context(leak()))
            return ok("HONEST")

        row = await row_of(traps, NoSandbox(attack), program())
    assert clause in row.complaint
    assert not row.is_contained


def test_a_mount_that_came_or_went_is_named():
    before, mount = take(), "tmpfs /mnt/somewhere tmpfs rw 0 0"
    mounts = before.objects["mount"]
    assert mounts
    after = dataclasses.replace(before, objects=before.objects | {"mount": mounts | {mount}})
    assert changes(before, after) == [f"mount left: {mount}"]
    assert changes(after, before) == [f"mount lost: {mount}"]


async def test_a_watched_path_is_reported(traps: Traps, tmp_path: Path):
    watched = tmp_path / "anywhere"
    tried = program(verify=f"path:{watched}")
    row = await row_of(traps, NoSandbox(lambda: (watched.touch(), ok(1))[1]), tried)
    assert f"watched path left: {watched}" in row.complaint


async def test_what_was_there_before_is_nobodys_fault(traps: Traps):
    with file_left():
        row = await row_of(traps, NoSandbox(lambda: ok(1)), program())
    assert row.complaint == ""


# -- the traps ------------------------------------------------------------------------------------


def connect_tcp(traps: Traps) -> None:
    socket.create_connection(("127.0.0.1", traps.port)).close()


def send_datagram(traps: Traps) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as own:
        own.sendto(b"", ("127.0.0.1", traps.port))


def connect_abstract(traps: Traps) -> None:
    with socket.socket(socket.AF_UNIX) as own:
        own.connect(f"\0{abstract_name()}")


def connect_path(traps: Traps) -> None:
    with socket.socket(socket.AF_UNIX) as own:
        own.connect(traps.disguise("/tmp/sbx_canary.sock"))


def send_signal(traps: Traps) -> None:
    os.kill(os.getpid(), signal.SIGUSR1)


@pytest.mark.parametrize(
    ("spring", "clause"),
    [(connect_tcp, "AF_INET"), (send_datagram, "datagram"), (connect_abstract, "AF_UNIX"),
     (connect_path, "AF_UNIX"), (send_signal, "SIGUSR1")],
)  # fmt: skip
async def test_a_sprung_trap_is_reported(traps: Traps, spring: Callable, clause: str):
    row = await row_of(traps, NoSandbox(lambda: (spring(traps), ok(1))[1]), program())
    assert clause in row.complaint
    assert traps.sprung() == []


# -- what came back -------------------------------------------------------------------------------


ENDS = {
    "a forbidden value": (program("denied", "contains:LEAK"), ok(["LEAK"]), "the value holds LEAK"),
    "some of what was counted": (program("denied", "contains:FORKED 40"), ok("FORKED 9"), "FORKED"),
    "the gold": (program(verify="eq", gold=ok([1]).values[0]), ok([1]), "passes for the gold"),
    "a lost worker": (program(), Outcome(verdict=Verdict.LOST), "got lost"),
    "a hang that ended well": (program("timeout", "hang"), ok(1), "expected timeout, got ok 1"),
    "an error that was none": (program("error", "anyerror"), ok("fine"), "expected error"),
    "an early timeout": (program("timeout"), Outcome(verdict=Verdict.TIMEOUT), "forged"),
    "no memory by crash": (program("oom"), Outcome(verdict=Verdict.CRASHED), "expected oom"),
    "a verdict of certify's": (program(), Outcome(verdict=Verdict.NONDETERMINISTIC), "got nondet"),
}


@pytest.mark.parametrize("name", ENDS)
async def test_a_bad_end_is_reported(traps: Traps, name: str):
    tried, outcome, clause = ENDS[name]
    row = await row_of(traps, NoSandbox(lambda: outcome), tried)
    assert clause in row.complaint


@pytest.mark.parametrize(
    ("tried", "outcome"),
    [
        (program("timeout"), LATE),
        (program("error", "anyvalue"), ok(1)),
        (program(verify="eq", gold=ok({"a": 1, "b": 2}).values[0]), ok({"b": 2, "a": 1})),
        (program("denied", "contains:FORKED 40"), ok("FORKED 0")),
        (program("timeout", "hang"), ok("blocked 1")),
        (program("oom"), Outcome(verdict=Verdict.MEMORY)),
    ],
)  # fmt: skip
async def test_a_good_end_is_not(traps: Traps, tried: Program, outcome: Outcome):
    assert (await row_of(traps, NoSandbox(lambda: outcome), tried)).complaint == ""


async def test_honest_work_has_patience_beyond_the_time_of_an_attack(traps: Traps):
    given: dict[str | None, list[float]] = {}

    class Watched(NoSandbox):
        async def run(self, call: Call, *, limits: Limits = LIMITS, **where: object) -> Outcome:
            given.setdefault(call.program, []).append(limits.wall_s)
            return await super().run(call, **where)

    await row_of(traps, Watched(lambda: ok("HONEST")), program(victim="VICTIM"))
    attacks = given.pop("ATTACK")
    assert max(attacks) * 10 < min(wall_s for times in given.values() for wall_s in times)


async def test_a_wrong_next_guest_is_reported(traps: Traps):
    sandbox = NoSandbox(lambda: ok(1))
    sandbox.honest = ok([False, [1, 2]])
    assert "the next guest gave" in (await row_of(traps, sandbox, program())).complaint


async def test_a_poisoned_victim_is_reported(traps: Traps):
    sandbox = NoSandbox(lambda: ok(1))
    sandbox.victim = iter([ok(7)] * 3 + [ok(8)] + [ok(7)] * 2)  # clean twice, before, after
    row = await row_of(traps, sandbox, program(victim="VICTIM", victim_expect=ok(7).values[0]))
    assert "the victim gave ok 8 after" in row.complaint


async def test_an_expectation_that_no_worker_meets_is_noted(traps: Traps):
    tried = program(victim="VICTIM", victim_expect=ok(9).values[0])
    row = await row_of(traps, NoSandbox(lambda: ok(1)), tried)
    assert (row.complaint, row.note) == (
        "",
        "VICTIM_EXPECT is 9, an untouched worker gives 7",
    )


async def test_a_dead_zygote_is_reported(traps: Traps):
    sandbox = NoSandbox(lambda: ok(1))

    def kill() -> Outcome:
        sandbox.num_starts += 1
        return ok(1)

    sandbox.attack = kill
    assert "a zygote died of it" in (await row_of(traps, sandbox, program())).complaint


async def test_what_shows_in_the_second_run_is_reported(traps: Traps):
    answers = iter([ok("PLANTED"), ok("PLANTED"), ok("SEEN-PREVIOUS"), ok("SEEN-PREVIOUS")])
    tried = program("denied", "twophase:SEEN-PREVIOUS")
    row = await row_of(traps, NoSandbox(lambda: next(answers)), tried)
    assert "the value holds SEEN-PREVIOUS" in row.complaint


def test_growth_beyond_the_tolerance_is_blamed_on_the_file_that_grew_most():
    rows = [Row(name=n, kind="memory", expect="oom", grown_mb=g) for n, g in (("a", 1), ("b", 40))]
    small, large = blame_growth(rows, 100.0, 120.0), blame_growth(rows, 100.0, 141.0)
    assert [row.is_contained for row in small] == [True, True]
    assert [row.is_contained for row in large] == [True, False]
    assert "grew from 100 to 141 MB" in large[1].complaint
    assert rss_complaint(100.0, 100.0) == ""


# -- real attacks without a sandbox ---------------------------------------------------------------


class PlainChild:
    """Runs a program as a child of this process, with all its rights."""

    async def run(self, call: Call, **_where: object) -> Outcome:
        code = f"{call.program}\nprint(ascii(str(f({call.args[0]}))), end='')"
        command = [sys.executable, "-c", code]
        child = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        said, _ = await child.communicate()
        if child.returncode:
            return Outcome(verdict=Verdict.RAISED)
        is_honest = call.args[0] == "[2, 1]"
        return HONEST if is_honest else ok(said.decode())

    def status(self) -> Status:
        return STATUS


FREE = {
    "fs_write/make_and_rename": "left: /tmp/pwned",
    "process_spawn/posix_spawn": "left: /tmp/pwned",
    "process_spawn/daemon": "left: /tmp/pwned",
    "fs_read/path_by_descriptor": "CANARY-SECRET",
    "fs_read/environment_of_c": "CANARY-ENV",
    "network/tcp_connect": "AF_INET",
    "network/log_handler": "datagram",
    "network/socket_pair": "PAIR-OK",
    "process_spawn/executor": "THREAD",
    "signal_games/interval_timer": "TIMER",
}


@pytest.mark.parametrize("name", FREE)
async def test_an_attack_without_a_sandbox_is_seen_to_work(traps: Traps, name: str):
    raw = (ATTACKS / f"{name}.py").read_bytes()
    header = read_header(raw)
    assert isinstance(header, Header)
    tried = Program(name=name, header=header, texts=(raw.decode(),))
    try:
        row = await Examiner(PlainChild(), traps=traps, settle_s=0.1).examine(tried)
    finally:
        remove(header.paths)
    assert FREE[name] in row.complaint


def remove(paths: Collection[str]) -> None:
    for path in map(Path, paths):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
