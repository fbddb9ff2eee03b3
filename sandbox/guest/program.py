"""Runs one job inside a confined guest and makes its claim.

A job is one of three: run a program's f on argument lists, read literals, inspect a source. The
program gets a copy of `builtins` of its own, so that what it patches is not what this module
uses. Nothing the program defines is called after f has returned.
"""

import builtins
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TypeVar

from sandbox.guest import canon, claim, literal, screen
from sandbox.guest.claim import Kind

_PROGRAM = "program"
_LATE = frozenset({"_pylong", "_strptime", "copyreg", "functools", "time", "warnings"})
"""What C code imports late through the `__import__` of whoever called it."""
_settrace, _setprofile, _set_depth = sys.settrace, sys.setprofile, sys.setrecursionlimit
_MAX_DEPTH = 1000
T = TypeVar("T")


@dataclass(slots=True)
class Job:
    """What the host asks of one guest."""

    token: bytes
    program: str | None
    args: list[str]
    is_inspection: bool
    cpu_s: int
    memory_bytes: int
    output_bytes: int
    total_bytes: int

    @classmethod
    def parse(cls, body: bytes) -> "Job":
        """From the JSON that the host wrote."""
        fields = json.loads(body)
        fields["token"] = bytes.fromhex(fields["token"])
        return cls(**fields)


class _Stop(Exception):  # noqa: N818 - it ends a job, in success or not
    """How a job ended, when it was not with values."""

    def __init__(self, kind: Kind, error: str, failed: int | None = None) -> None:
        super().__init__(error)
        self.kind, self.error, self.failed = kind, error, failed


def answer(job: Job, *, modules: frozenset[str], task_modules: frozenset[str]) -> bytes:
    """The frame for this job; never raises for anything that a program can do in Python."""
    try:
        values = _values(job, modules, task_modules)
        return claim.pack(job.token, Kind.OK, values=values)
    except _Stop as stop:
        return claim.pack(job.token, stop.kind, failed=stop.failed, error=stop.error)


def _values(job: Job, modules: frozenset[str], task_modules: frozenset[str]) -> list[bytes]:
    outputs = _Outputs(job)
    if job.is_inspection:
        assert job.program is not None
        outputs.add(screen.inspect(job.program, task_modules))
    elif job.program is None:
        for index, text in enumerate(job.args):
            outputs.add(_literal(literal.parse_value, text, index))
    else:
        # All arguments are parsed before the program gets a chance to patch the parser.
        parsed = [_literal(literal.parse_arguments, a, i) for i, a in enumerate(job.args)]
        function = _load(job.program, modules)
        for index, (positional, keywords) in enumerate(parsed):
            outputs.add(_call(function, positional, keywords, index))
    return outputs.values


def _literal(parse: Callable[[str], T], text: str, index: int) -> T:
    try:
        return parse(text)
    except (literal.LiteralError, RecursionError) as error:
        raise _Stop(Kind.INVALID, f"arguments: {error}", index) from None
    except MemoryError:
        raise _Stop(Kind.MEMORY, "MemoryError", index) from None


def _load(source: str, modules: frozenset[str]) -> Callable[..., object]:
    """Execute the program's top level and return its f."""
    try:
        code = compile(source, "<program>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise _Stop(Kind.INVALID, f"syntax: {type(error).__name__}") from None
    except MemoryError:
        raise _Stop(Kind.MEMORY, "MemoryError") from None
    namespace = _namespace(modules)
    _guarded(lambda: exec(code, namespace), None)
    function = namespace.get("f")
    if not callable(function):
        raise _Stop(Kind.INVALID, "no_f: the program defines no function f")
    return function


def _namespace(modules: frozenset[str]) -> dict[str, object]:
    own = ModuleType("builtins")
    own.__dict__.update(builtins.__dict__)
    own.__dict__["__import__"] = _importer(modules)
    sys.modules["builtins"] = own
    module = ModuleType(_PROGRAM)
    module.__dict__["__builtins__"] = own
    sys.modules[_PROGRAM] = module  # dataclasses and typing look a class's module up by name
    return module.__dict__


def _importer(modules: frozenset[str]) -> Callable[..., object]:
    """`import` for the program's own text; the library's imports are not touched."""
    real = builtins.__import__

    def load(
        name: str,
        _globals: object = None,
        _locals: object = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> object:
        if level or (name not in _LATE and name.partition(".")[0] not in modules):
            raise ModuleNotFoundError(f"no module named {name!r} here", name=name)
        return real(name, None, None, fromlist or (), 0)

    return load


def _call(
    function: Callable[..., object],
    positional: list[object],
    keywords: dict[str, object],
    index: int,
) -> object:
    return _guarded(lambda: function(*positional, **keywords), index)


def _guarded(action: Callable[[], object], index: int | None) -> object:
    """Run guest code; whatever it raises becomes a _Stop."""
    try:
        return action()
    except BaseException as error:  # noqa: BLE001 - SystemExit and friends are the guest's too
        kind, name = _describe(type(error))
        raise _Stop(kind, name, index) from None
    finally:
        _settrace(None)
        _setprofile(None)
        _set_depth(_MAX_DEPTH)


def _describe(raised: type[BaseException]) -> tuple[Kind, str]:
    name = type.__dict__["__name__"].__get__(raised)  # not the metaclass's idea of a name
    if raised is MemoryError:
        return Kind.MEMORY, name
    if raised in (PermissionError, ModuleNotFoundError):
        return Kind.FORBIDDEN, name
    return Kind.RAISED, name


class _Outputs:
    """Canonical bytes as they come: encoded at once, so that a later call cannot change them."""

    def __init__(self, job: Job) -> None:
        self.values: list[bytes] = []
        self._one, self._left = job.output_bytes, job.total_bytes

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
            raise _Stop(Kind.UNENCODABLE, _describe(type(error))[1], index) from None
        self._left -= len(encoded)
        self.values.append(encoded)
