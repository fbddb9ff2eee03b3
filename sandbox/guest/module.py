"""The module a program runs as: its own builtins, its imports, and the claim its exceptions make.

The program gets a copy of `builtins` of its own, so that what it patches is not what this package
uses, and an `__import__` that knows the importable modules only; the library's own imports are
not touched.
"""

import builtins
import sys
from collections.abc import Callable, Sequence
from types import ModuleType

from sandbox.guest.claim import Kind

FILE = "<program>"
"""The file name that a program's code is compiled with."""
_LATE = frozenset({"_pylong", "_strptime", "copyreg", "functools", "time", "warnings"})
"""What C code imports late through the `__import__` of whoever called it."""


def new(name: str, modules: frozenset[str], **extra: object) -> dict[str, object]:
    """The globals of a new module of that name, with `extra` among its builtins."""
    own = ModuleType("builtins")
    own.__dict__.update(builtins.__dict__)
    own.__dict__.update(extra, __import__=_importer(modules))
    sys.modules["builtins"] = own
    module = ModuleType(name)
    module.__dict__["__builtins__"] = own
    sys.modules[name] = module  # dataclasses and typing look a class's module up by name
    return module.__dict__


def _importer(modules: frozenset[str]) -> Callable[..., object]:
    """`import` for the program's own text."""
    real = builtins.__import__

    def load(
        name: str,
        _globals: object = None,
        _locals: object = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> object:
        is_known = name in _LATE or name in modules or name.partition(".")[0] in modules
        if level or not is_known:
            raise ModuleNotFoundError(f"no module named {name!r} here", name=name)
        return real(name, None, None, fromlist or (), 0)

    return load


def describe(raised: type[BaseException]) -> tuple[Kind, str]:
    """What to claim when a program ends by an exception of this type."""
    name = type.__dict__["__name__"].__get__(raised)  # not the metaclass's idea of a name
    if raised is MemoryError:
        return Kind.MEMORY, name
    if raised is PermissionError or raised is ModuleNotFoundError:  # no ==: it may be the guest's
        return Kind.FORBIDDEN, name
    return Kind.RAISED, name
