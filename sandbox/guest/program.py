"""Runs one job inside a confined guest and makes its claim.

A job is one of these: call a program's f on argument lists, for its values or for the names of its
errors; read literals; inspect or strip a source; run a script from its first line to its last. Of
what f's program defines nothing is called after f has returned.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sandbox.guest import canon, claim, literal, module, screen, script
from sandbox.guest.claim import Kind
from sandbox.guest.job import Job, JobKind
from sandbox.guest.normal import stripped
from sandbox.guest.plain import parse_plain

_PROGRAM = "program"
_REHEARSAL = """
def f(x, k=None):
    total = 0
    for i, item in enumerate(x):
        if isinstance(item, int):
            total += i * item
    return [total, sorted(map(str, x)), {**k, "n": f"{total:d}"}]
"""
_settrace, _setprofile, _set_depth = sys.settrace, sys.setprofile, sys.setrecursionlimit
_MAX_DEPTH = 1000
NO_ERROR = "NoError"  # as `sandbox.call` has it, which a guest does not load
_kept: list[object] = []
"""What nobody reads and a program may have given a `__del__`."""
T = TypeVar("T")


class _Stop(Exception):  # noqa: N818 - it ends a job, in success or not
    """How a job ended, when it was not with values."""

    def __init__(self, kind: Kind, error: str, failed: int | None = None) -> None:
        super().__init__(error)
        self.kind, self.error, self.failed = kind, error, failed


REHEARSAL = Job(
    token=bytes(8),
    kind=JobKind.CALL,
    texts=[_REHEARSAL, "[3, 'b', 2.5]", "(None, True), k={'a': 1}"],
    cpu_s=1,
    threads=0,
    memory_bytes=1 << 20,
    output_bytes=1 << 16,
    total_bytes=1 << 20,
)
"""A small call of ours: a zygote warms up on it."""


@dataclass(slots=True)
class Setting:
    """What a zygote has ready for its guests."""

    modules: frozenset[str]
    """What a program may import, and a task's program."""
    task_modules: frozenset[str]
    namespace: dict[str, object]
    """The globals of the one program that a guest will run. They hold a copy of `builtins`: making
    it touches every builtin, which costs a guest a page fault for most of them."""

    @classmethod
    def prepare(cls, modules: frozenset[str], task_modules: frozenset[str]) -> "Setting":
        """Make what a guest would otherwise have to make."""
        return cls(modules, task_modules, module.new(_PROGRAM, modules))


def answer(job: Job, setting: Setting) -> bytes:
    """The frame for this job; never raises for anything that a program can do in Python."""
    try:
        values = _values(job, setting)
        return claim.pack(job.token, Kind.OK, values=values)
    except _Stop as stop:
        return claim.pack(job.token, stop.kind, failed=stop.failed, error=stop.error)


def _values(job: Job, setting: Setting) -> list[bytes]:
    outputs = _Outputs(job)
    if job.kind == JobKind.INSPECT:
        outputs.add(screen.inspect(job.texts[0], setting.task_modules))
    elif job.kind == JobKind.STRIP:
        outputs.add(stripped(job.texts[0]))
    elif job.kind == JobKind.SCRIPT:
        source, stdin = job.texts
        outputs.add_pages(_script(source, stdin, job.output_bytes, setting.modules))
    elif job.kind == JobKind.READ:
        for index, text in enumerate(job.texts):
            outputs.add(_literal(literal.parse_value, text, index))
    else:
        program, *args = job.texts
        # All arguments are parsed before the program gets a chance to patch the parser.
        parsed = [_literal(_parse_arguments, text, i) for i, text in enumerate(args)]
        function = _load(program, setting.namespace)
        call = _name_error if job.kind == JobKind.NAME else _call
        for index, (positional, keywords) in enumerate(parsed):
            outputs.add(call(function, positional, keywords, index))
    return outputs.values


def _parse_arguments(text: str) -> tuple[list[object], dict[str, object]]:
    plain = parse_plain(text)
    return literal.parse_arguments(text) if plain is None else (plain, {})


def _script(source: str, stdin: str, max_bytes: int, modules: frozenset[str]) -> script.Pages:
    try:
        return script.run(source, stdin, max_bytes=max_bytes, modules=modules)
    except script.OverflowedError:
        raise _Stop(Kind.OUTPUT, "stdout and stderr over limits.output_bytes") from None
    finally:
        _restore()


def _literal(parse: Callable[[str], T], text: str, index: int) -> T:
    try:
        return parse(text)
    except (literal.LiteralError, RecursionError) as error:
        raise _Stop(Kind.INVALID, f"arguments: {error}", index) from None
    except MemoryError:
        raise _Stop(Kind.MEMORY, "MemoryError", index) from None


def _load(source: str, namespace: dict[str, object]) -> Callable[..., object]:
    """Execute the program's top level and return its f."""
    try:
        code = compile(source, module.FILE, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise _Stop(Kind.INVALID, f"syntax: {type(error).__name__}") from None
    except MemoryError:
        raise _Stop(Kind.MEMORY, "MemoryError") from None
    _guarded(lambda: exec(code, namespace), None)
    function = namespace.get("f")
    if not callable(function):
        raise _Stop(Kind.INVALID, "no_f: the program defines no function f")
    return function


def _call(
    function: Callable[..., object],
    positional: list[object],
    keywords: dict[str, object],
    index: int,
) -> object:
    return _guarded(lambda: function(*positional, **keywords), index)


def _name_error(
    function: Callable[..., object],
    positional: list[object],
    keywords: dict[str, object],
    index: int,
) -> str:
    """The class name of the exception that a call ends with.

    Nothing is added to the program: a wrapper of its own f would be what a recursive f calls.
    """
    try:
        _kept.append(function(*positional, **keywords))
    except Exception as error:  # noqa: BLE001 - it is what was asked for
        _kept.append(error)
        kind, name = module.describe(type(error))
    except BaseException as error:  # noqa: BLE001 - SystemExit and friends are no errors of f
        kind, name = module.describe(type(error))
        raise _Stop(kind, name, index) from None
    else:
        return NO_ERROR
    finally:
        _restore()
    if kind is not Kind.RAISED:
        raise _Stop(kind, name, index)
    if name == NO_ERROR or not (name.isascii() and name.isidentifier()):
        raise _Stop(Kind.UNENCODABLE, "an exception whose name is no answer", index)
    return name


def _guarded(action: Callable[[], object], index: int | None) -> object:
    """Run guest code; whatever it raises becomes a _Stop."""
    try:
        return action()
    except BaseException as error:  # noqa: BLE001 - SystemExit and friends are the guest's too
        kind, name = module.describe(type(error))
        raise _Stop(kind, name, index) from None
    finally:
        _restore()


def _restore() -> None:
    """Take back what a program may have done to the interpreter that runs us too."""
    _settrace(None)
    _setprofile(None)
    _set_depth(_MAX_DEPTH)


class _Outputs:
    """Canonical bytes as they come: encoded at once, so that a later call cannot change them."""

    def __init__(self, job: Job) -> None:
        self.values: list[bytes] = []
        self._one, self._left = job.output_bytes, job.total_bytes
        if job.kind in (JobKind.INSPECT, JobKind.STRIP):  # ours, and as long as the program's twin
            self._one = job.total_bytes

    def add_pages(self, pages: script.Pages) -> None:
        """A script's output, whose size was kept while it was written."""
        self._one = self._left
        self.add(pages)

    def add(self, value: object) -> None:
        index = len(self.values)
        try:
            encoded = canon.encode(value, max_bytes=min(self._one, self._left))
        except canon.OversizeError as error:
            raise _Stop(Kind.OUTPUT, str(error), index) from None
        except canon.UnencodableError as error:
            raise _Stop(Kind.UNENCODABLE, str(error), index) from None
        except MemoryError:
            raise _Stop(Kind.MEMORY, "MemoryError", index) from None
        except Exception as error:  # noqa: BLE001 - a value built to break its reader
            raise _Stop(Kind.UNENCODABLE, module.describe(type(error))[1], index) from None
        self._left -= len(encoded)
        self.values.append(encoded)
