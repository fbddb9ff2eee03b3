"""Each layer is really on, each one matters alone, and a missing one is never silent."""

import asyncio
import os
from pathlib import Path

import pytest

from sandbox import Call, Limits, Sandbox, SandboxUnavailable, Verdict, jails
from sandbox.doctor import Finding, examine
from sandbox.fleet import Fleet
from sandbox.jail import syscalls
from sandbox.jail.launch import Boot
from sandbox.modules import GUEST_MODULES
from sandbox.status import LAYERS
from tests.sandbox.host import eventually, guests_in_their_program, status_of

LOOP = Call(program="def f(x):\n while True: pass", args=["1"])


async def test_a_running_guest_is_filtered_unprivileged_and_in_a_pid_namespace():
    async with Sandbox(workers=1, limits=Limits(wall_s=30.0, cpu_s=30.0)) as sandbox:
        call = asyncio.create_task(sandbox.run(LOOP, family=0))
        zygote = sandbox.status().pids[0]
        await eventually(lambda: bool(guests_in_their_program(zygote)))
        status = status_of(guests_in_their_program(zygote)[0])
        call.cancel()
        layers = sandbox.status().layers
    assert status["Seccomp"] == "2"
    assert status["NoNewPrivs"] == "1"
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    assert status["Threads"] == "1"
    if os.geteuid() == 0:
        assert "0" not in status["Uid"].split()
        assert status["Groups"].strip() == ""
    if layers["namespaces"][0]:
        depth = len(status_of("self")["NSpid"].split())
        assert len(status["NSpid"].split()) == depth + 1


@pytest.fixture(scope="module")
def findings() -> dict[str, Finding]:
    return {found.layer: found for found in asyncio.run(examine())}


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_that_is_on_stops_alone_what_passes_without_it(findings, layer: str):
    found = findings[layer]
    if not found.is_on:
        assert found.detail
        assert not found.is_mandatory
        pytest.skip(f"{layer} is off here: {found.detail}")
    if layer == "uid" and os.geteuid() != 0:
        pytest.skip("not root: guests share the host's uid")
    assert found.stops
    assert found.needed


WITNESS = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def f(number, *args):
    return (libc.syscall(number, *args), ctypes.get_errno())
"""
OPEN_MODULES = (*GUEST_MODULES, "ctypes", "os", "mmap")


@pytest.fixture(scope="module")
async def bare() -> Sandbox:
    async with Sandbox(workers=1, modules=OPEN_MODULES) as sandbox:
        yield sandbox


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="system-call numbers of x86_64")
@pytest.mark.parametrize(
    ("arguments", "verdict", "text"),
    [
        ("39", Verdict.OK, "(-1, 1)"),                        # getpid: EPERM, not a death
        ("257, -100, 0, 0", Verdict.OK, "(-1, 1)"),           # openat
        ("41, 2, 1, 0", Verdict.OK, "(-1, 1)"),               # socket
        ("56, 17, 0, 0, 0, 0", Verdict.OK, "(-1, 1)"),        # clone
        ("62, 1, 9", Verdict.OK, "(-1, 1)"),                  # kill
        ("228, 0, 0", Verdict.OK, "(-1, 1)"),                 # clock_gettime
        ("318, 0, 0, 0", Verdict.OK, "(-1, 1)"),              # getrandom
        ("1, 1, 0, 0", Verdict.OK, "(-1, 1)"),                # write to fd 1
        ("1, 3, 0, 0", Verdict.OK, "(0, 0)"),                 # write of nothing to fd 3
        ("9, 0, 4096, 3, 33, -1, 0", Verdict.OK, None),       # mmap shared anonymous
        ("9, 0, 4096, 7, 34, -1, 0", Verdict.OK, "(-1, 1)"),  # mmap executable
        ("9, 0, 4096, 1, 2, 3, 0", Verdict.OK, "(-1, 1)"),    # mmap of a descriptor
        ("101, 0, 0, 0, 0", Verdict.FORBIDDEN, None),         # ptrace
        ("425, 1, 0", Verdict.FORBIDDEN, None),               # io_uring_setup
        ("321, 0, 0, 0", Verdict.FORBIDDEN, None),            # bpf
        ("317, 1, 0, 0", Verdict.FORBIDDEN, None),            # seccomp
        ("0x40000027", Verdict.FORBIDDEN, None),              # getpid by the x32 ABI
    ],
)  # fmt: skip
async def test_the_filter_answers(bare: Sandbox, arguments: str, verdict: Verdict, text):
    from sandbox import render

    number = str(int(arguments, 16)) if arguments.startswith("0x") else arguments
    outcome = await bare.run(Call(program=WITNESS, args=[number]))
    assert outcome.verdict is verdict, outcome
    if text is not None:
        assert [render(value) for value in outcome.values] == [text]


async def test_without_a_filter_it_refuses_to_start(monkeypatch: pytest.MonkeyPatch):
    def broken(**_: bool) -> bytes:
        raise RuntimeError("Unable to find libseccomp")

    monkeypatch.setattr(syscalls, "_compile", broken)
    with pytest.raises(SandboxUnavailable, match="libseccomp2"):
        async with Sandbox(workers=1):
            pytest.fail("it started")


async def test_a_filter_the_kernel_refuses_lets_no_program_run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(syscalls, "_compile", lambda **_: b"\xff" * 16)
    async with Sandbox(workers=1) as sandbox:
        outcome = await sandbox.run(Call(program="def f(x): return x", args=["1"]))
        assert (outcome.verdict, outcome.values) == (Verdict.CRASHED, ())


async def test_filter_only_must_be_seen(caplog: pytest.LogCaptureFixture):
    async with Sandbox(workers=1, jail="filter-only") as sandbox:
        status = sandbox.status()
        assert status.jail == "filter-only"
        assert not status.layers["namespaces"][0]
        assert all(status.layers[name][0] for name in ("seccomp", "rlimits", "no_new_privs"))
        outcome = await sandbox.run(
            Call(program="def f(x): return open('/etc/passwd').read()", args=["1"])
        )
        assert outcome.verdict is Verdict.FORBIDDEN


async def test_a_required_layer_that_is_missing_stops_the_start():
    with pytest.raises(SandboxUnavailable, match=r"namespaces \(not asked for\)"):
        async with Sandbox(workers=1, jail="filter-only", require=("namespaces",)):
            pytest.fail("it started")


async def test_auto_never_falls_back_to_a_weaker_jail(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(jails.JAILS, "auto", ("nowhere", "nsjail-too"))

    async def refuse(self: Fleet, name: str, filters: object) -> None:
        raise SandboxUnavailable(f"no {name}")

    monkeypatch.setattr(Fleet, "_open", refuse)
    with pytest.raises(SandboxUnavailable, match="then no nsjail-too"):
        async with Sandbox(workers=1, jail="auto"):
            pytest.fail("it started")


def groups_of_ours() -> list[Path]:
    return list(Path("/sys/fs/cgroup").rglob(f"kelvin-{os.getpid()}-*"))


async def test_a_control_group_holds_the_zygote_and_is_gone_afterwards():
    async with Sandbox(workers=1, cgroup=True) as sandbox:
        is_on, detail = sandbox.status().layers["cgroup"]
        if not is_on:
            pytest.skip(f"no control group here: {detail}")
        members = [(group / "cgroup.procs").read_text().split() for group in groups_of_ours()]
        assert all(any(str(pid) in group for group in members) for pid in sandbox.status().pids)
    assert groups_of_ours() == []


@pytest.mark.parametrize(
    "wrong",
    [{"workers": 0}, {"require": ("walls",)}, {"jail": "none"}],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]):
    with pytest.raises(ValueError, match=r"workers|require|jail"):
        Sandbox(**wrong)


@pytest.mark.parametrize("name", ["wall_s", "cpu_s", "memory_mb", "output_bytes"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_wrong_limits_are_refused(name: str, value: float):
    with pytest.raises(ValueError, match=name):
        Limits(**{name: value})


REFUSED = {"seccomp", "rlimits", "no_new_privs", "namespaces", "root"}


@pytest.mark.parametrize("layer", [name for name in LAYERS if name != "cgroup"])
async def test_a_layer_that_is_off_is_reported_or_refused(
    layer: str, monkeypatch: pytest.MonkeyPatch
):
    original = Boot.config

    def without(self: Boot, *, uid: int, seed: int) -> dict[str, object]:
        config = original(self, uid=uid, seed=seed) | {"skip": [layer]}
        if layer == "seccomp":
            config["filters"] = {"compute": "", "threads": ""}
        return config

    monkeypatch.setattr(Boot, "config", without)
    if layer in REFUSED:
        with pytest.raises(SandboxUnavailable, match=layer):
            async with Sandbox(workers=1, jail="native"):
                pytest.fail("it started")
        return
    async with Sandbox(workers=1, jail="native") as sandbox:
        assert sandbox.status().layers[layer] == (False, "left out on request")
        assert (await sandbox.run(Call(program="def f(x): return x", args=["1"]))).is_ok
    with pytest.raises(SandboxUnavailable, match=layer):
        async with Sandbox(workers=1, jail="native", require=(layer,)):
            pytest.fail("it started")
