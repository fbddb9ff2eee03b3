"""Which layers this host gives, and whether each really stops what it is there to stop.

Every probe is two-sided: the same small program runs with only that layer on, and must not reach
its aim, and with no layer on, and must reach it. A wall that stands where nothing could have
passed anyway proves nothing. The programs are ours; no model's text runs with layers off.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox import value
from sandbox.call import Call
from sandbox.errors import SandboxError
from sandbox.guest.claim import max_frame
from sandbox.jail import syscalls
from sandbox.jail.launch import Boot
from sandbox.jail.uids import first_uid
from sandbox.jobs import encode_job
from sandbox.judge import judge
from sandbox.limits import MAX_THREADS, Limits
from sandbox.status import LAYERS, MANDATORY
from sandbox.verdict import Verdict
from sandbox.worker import Worker

_MODULES = ("datetime", "mmap", "os", "socket")
Filters = Mapping[str, bytes]
_TOKEN = b"witness!"
_LIMITS = Limits(wall_s=10.0, memory_mb=64)

_PROGRAMS = {
    "seccomp": "def f(): return bool(open('/etc/passwd').read(1))",
    "rlimits": "def f(): return len(bytearray(1 << 30)) > 0",
    "no_new_privs": "def f(): return 'NoNewPrivs:\\t0' in open('/proc/self/status').read()",
    "namespaces": """
import socket
def f():
    with socket.socket(type=socket.SOCK_DGRAM) as s:
        return s.connect(('127.0.0.1', 9)) is None
""",
    "root": "import os\ndef f(): return len(os.listdir('/')) > 0",
    "uid": "import os\ndef f(): return os.kill(os.getppid(), 0) is None",
    "landlock": "def f(): return bool(open('/etc/passwd').read(1))",
    "mdwe": "import mmap\ndef f(): return len(mmap.mmap(-1, 4096, prot=7)) > 0",
    "clock": "import datetime\ndef f(): return datetime.datetime.now().year > 0",
    "cgroup": """
import os
def f():
    for _ in range(MANY):
        try:
            child = os.fork()
        except OSError:
            return False
        if child == 0:
            os.read(3, 1)  # until the host closes the socket: it is gone with this guest
            os._exit(0)
    return True
""".replace("MANY", str(2 * MAX_THREADS)),
}
_NEEDS = {"root": ("namespaces",), "landlock": ("no_new_privs",)}
"""What a layer cannot be had without: Landlock asks unprivileged users for no-new-privs."""
_ADVICE = {
    "seccomp": "install libseccomp2 and pyseccomp; without it nothing runs",
    "rlimits": "part of every Linux",
    "no_new_privs": "part of every Linux",
    "namespaces": "root, or unprivileged user namespaces (container: --cap-add SYS_ADMIN)",
    "root": "comes with the mount namespace",
    "uid": "start as root: each guest then has a uid of its own",
    "landlock": "Linux 5.13 or newer, booted with lsm=landlock,...",
    "mdwe": "Linux 6.3 or newer",
    "clock": "an x86 processor, and a Python other than 3.12",
    "cgroup": "asked for with cgroup=True, where the host delegates a control group",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found out about one layer."""

    layer: str
    is_on: bool
    detail: str
    stops: bool | None
    """The layer alone stopped the probe; None if it is off or has nothing to stop it with."""
    needed: bool | None
    """Without it the probe reached its aim; None if it is off."""
    is_mandatory: bool
    advice: str

    @property
    def is_sound(self) -> bool:
        """On and seen to work, or off and optional."""
        return self.stops is not False if self.is_on else not self.is_mandatory


async def examine() -> list[Finding]:
    """Probe every layer, each in a zygote of its own. SandboxUnavailable: no filter at all."""
    return [await examine_layer(layer) for layer in LAYERS]


async def examine_layer(layer: str) -> Finding:
    """Probe one layer of LAYERS."""
    filters = syscalls.compile_filters()
    walled = await _probe(layer, {layer, *_NEEDS.get(layer, ())}, filters)
    is_on, detail = walled.state
    has_means = layer != "cgroup" or "count" in detail
    return Finding(
        layer=layer,
        is_on=is_on,
        detail=detail,
        stops=not walled.reached if is_on and has_means else None,
        needed=(await _probe(layer, set(), filters)).reached if is_on else None,
        is_mandatory=layer in MANDATORY,
        advice=_ADVICE[layer],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Probe:
    """One run of a layer's program."""

    state: tuple[bool, str]
    reached: bool


class _Nobody:
    """The owner of a worker that is used once."""

    def put_back(self, worker: Worker) -> None:
        """It is thrown away."""

    def offer(self, worker: Worker) -> None:
        """It is thrown away."""


async def _probe(layer: str, on: set[str], filters: Filters) -> _Probe:
    boot = Boot(
        filters=filters if "seccomp" in on else syscalls.NO_FILTERS,
        modules=_MODULES,
        task_modules=(),
        namespaces="namespaces" in on,
        nsjail=False,
        slots=1,
        cgroup="cgroup" in on,
        skip=tuple(name for name in LAYERS if name not in on),
    )
    worker = Worker(boot=boot, seed=1, uid=first_uid(), owner=_Nobody())
    await worker.start()
    try:
        call = Call(program=_PROGRAMS[layer], args=[""])
        job = encode_job(call, token=_TOKEN, limits=_LIMITS)
        end, _ = await worker.execute(
            job, wall_s=_LIMITS.wall_s, max_frame=max_frame(1, _LIMITS.total_bytes)
        )
        found = judge(end, token=_TOKEN, num_values=1, cpu_limit_s=10)
        reached = found.verdict is Verdict.OK and value.decode(found.values[0]) is True
        return _Probe(state=worker.layers.get(layer, (False, "")), reached=reached)
    except SandboxError as error:
        return _Probe(state=(False, str(error)), reached=False)
    finally:
        worker.stop()
        worker.join(5.0)
