"""Runs a whole program the way `python FILE < input` does, inside a confined guest.

The guest has no descriptors but its call, so standard input, output and error are objects in its
memory; their text goes home in the one claim, at the end. What a script sees is CPython's: UTF-8
streams with a `buffer` below, `input()`, `open(0)`, `exit()`, `__name__ == "__main__"`, and for an
uncaught exception a traceback on stderr and exit code 1. What it does not see is the host: frames
of the library lose their directories, frames of ours are left out.

Both outputs together have a budget. Whoever writes past it is stopped by an exception that no
`except Exception` catches, and nothing of the output is returned: half of it must not pass for
all of it.
"""

import io
import linecache
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn, TextIO

from sandbox.guest import module
from sandbox.guest.claim import MAX_ERROR, Kind

Pages = tuple[bytes, bytes, int, int, str]
"""stdout, stderr, exit code, the `Kind` of the ending, its error."""
_MAX_FRAMES = 1000
"""As many of the innermost frames as CPython shows."""
_MAX_DEPTH = 1000
"""How deep a script may recurse if it sets no limit itself, as under CPython."""
_set_depth = sys.setrecursionlimit
_STDIN, _STDOUT, _STDERR = 0, 1, 2
_ERRORS = "surrogatepass", "strict", "backslashreplace"
"""How the three streams meet what is no UTF-8; CPython's own choice for the outputs."""


class OverflowedError(BaseException):
    """The outputs are over their budget."""


def run(source: str, stdin: str, *, max_bytes: int, modules: frozenset[str]) -> Pages:
    """Run it to its end; OverflowedError if it wrote too much."""
    streams = _Streams(stdin, max_bytes)
    opened = streams.opener(open)
    namespace = module.new("__main__", modules, open=opened, exit=_exit, quit=_exit)
    streams.install()
    sys.argv = [module.FILE]
    lines = source.splitlines(keepends=True)
    linecache.cache[module.FILE] = (len(source), None, lines, module.FILE)
    status, kind, error = _execute(source, namespace, streams)
    return (*streams.finish(), status, int(kind), error[:MAX_ERROR])


_REHEARSAL = """
import sys
def f(): raise ValueError("x")
print("a", 1.5, b"b", sep=", ", end="\\n", file=sys.stdout, flush=True)
print("c", file=sys.stderr)
input("? "), sys.stdin.readline(), sys.stdin.readline(3), next(iter(sys.stdin)), sys.stdin.read(1)
sys.stdin.buffer.readline(), sys.stdin.buffer.read(), sys.stdin.read(), sys.stdin.readlines()
sys.stdout.buffer.write(b"d"), sys.stdout.writelines(["e"]), sys.stdout.isatty()
open(0).read(), open(1, "w").write("g")
try:
    f()
except ValueError as error:
    raise ExceptionGroup("h", [KeyError(error)]) from error
"""


def rehearse() -> None:
    """Use once what scripts use, before there is a jail.

    CPython takes a lock, and so reads a clock, at the first use of a name inside C code; a guest
    inherits names that have been used and needs no clock for them.
    """
    streams, argv = (sys.stdin, sys.stdout, sys.stderr), sys.argv
    modules = {name: sys.modules.get(name) for name in ("__main__", "builtins")}
    known = frozenset({"sys"})
    for source in (_REHEARSAL, "int a = 1", "import sys; sys.exit('no')", "import none", "print("):
        run(source, "1\n2\n3\n4\n5\n6\n7\n", max_bytes=1 << 20, modules=known)
    _set_streams(streams)
    sys.argv = argv
    sys.modules.update({name: found for name, found in modules.items() if found is not None})
    linecache.clearcache()


Ending = tuple[int, Kind, str]
"""Exit code, kind, error."""


def _execute(source: str, namespace: dict[str, object], streams: "_Streams") -> Ending:
    try:
        code = compile(source, module.FILE, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError) as error:
        streams.complain(error)
        return 1, Kind.INVALID, f"syntax: {type(error).__name__}"
    _set_depth(_MAX_DEPTH + _depth())
    try:
        exec(code, namespace)
    except SystemExit as error:
        return _exited(error, streams)
    except OverflowedError:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the script's
        kind, name = module.describe(type(error))
        streams.complain(error)
        return 1, kind, name
    return 0, Kind.OK, ""


def _exited(error: SystemExit, streams: "_Streams") -> Ending:
    """What the shell would see of `sys.exit(code)`."""
    code = error.code
    if code is None:
        return 0, Kind.OK, ""
    if not isinstance(code, int):
        streams.say(code)
        return 1, Kind.RAISED, "SystemExit"
    status = int.__and__(code, 0xFF)  # not the method of a subclass
    return status, Kind.RAISED if status else Kind.OK, "SystemExit" if status else ""


def _exit(code: object = None) -> NoReturn:
    """`exit` and `quit`, which CPython's site module adds."""
    raise SystemExit(code)


def _depth() -> int:
    """Frames below the script's first, which it must not pay for."""
    frame, depth = sys._getframe(), 1 if sys.version_info < (3, 12) else 0  # 3.11 counts exec
    while frame.f_back is not None:
        frame, depth = frame.f_back, depth + 1
    return depth


class _Streams:
    """The three standard streams of one script."""

    def __init__(self, stdin: str, max_bytes: int) -> None:
        self._budget = _Budget(max_bytes)
        self._input = io.BytesIO(stdin.encode("utf-8", "surrogatepass"))
        self._pages = _Page("<stdout>", self._budget), _Page("<stderr>", self._budget)
        self._files = (self._input, *self._pages)
        self._texts: tuple[TextIO, ...] = tuple(
            _text(file, errors, newline="\n")
            for file, errors in zip(self._files, _ERRORS, strict=True)
        )

    def install(self) -> None:
        """Make them the interpreter's standard streams."""
        _set_streams(self._texts)

    def opener(self, real: Callable[..., object]) -> Callable[..., object]:
        """`open` that knows the descriptors 0, 1 and 2; there are no other files to open."""

        def opened(file: object, mode: str = "r", *args: object, **kwargs: object) -> object:
            if type(file) is not int or not _STDIN <= file <= _STDERR:
                return real(file, mode, *args, **kwargs)
            if "b" in mode:
                return self._files[file]
            return _text(self._files[file], _ERRORS[file])

        return opened

    def say(self, message: object) -> None:
        """A line on stderr; a message that cannot be written is no reason to fail."""
        try:
            self._texts[_STDERR].write(f"{message}\n")
        except OverflowedError:
            raise
        except BaseException:  # noqa: BLE001 - its __str__ is the script's, and so is its stderr
            return

    def complain(self, error: BaseException) -> None:
        """The traceback of an uncaught exception, as CPython prints it."""
        _set_depth(_MAX_DEPTH)  # whatever the script has set
        try:
            text = _traceback(error)
        except MemoryError:
            raise
        except BaseException:  # noqa: BLE001 - formatting calls methods of the script's
            text = module.describe(type(error))[1]
        self.say(text.removesuffix("\n"))

    def finish(self) -> tuple[bytes, bytes]:
        """Write out what is still held back; all of stdout and stderr."""
        now = getattr(sys, "stdout", self._texts[_STDOUT])  # it may have put its own there
        for text in (now, *self._texts[_STDOUT:]):
            try:
                text.flush()
            except BaseException:  # noqa: BLE001 - closed, or over the budget, which remembers
                continue
        if self._budget.left < 0:
            raise OverflowedError
        return bytes(self._pages[0].content), bytes(self._pages[1].content)


def _text(file: io.BufferedIOBase, errors: str, *, newline: str | None = None) -> TextIO:
    """Text over a binary file; stderr holds nothing back."""
    at_once = errors == _ERRORS[_STDERR]
    return io.TextIOWrapper(file, "utf-8", errors, newline, write_through=at_once)  # type: ignore[type-var]  # duck-typed by CPython


def _set_streams(texts: tuple[TextIO, ...]) -> None:
    for name, text in zip(("stdin", "stdout", "stderr"), texts, strict=True):
        setattr(sys, name, text)
        setattr(sys, f"__{name}__", text)


class _Budget:
    """Bytes that may still be written; negative for ever once they were too few."""

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, count: int) -> None:
        if self.left < 0 or count > self.left:
            self.left = -1
            raise OverflowedError
        self.left -= count


class _Page(io.BufferedIOBase):
    """A write-only binary file in memory that keeps its content when it is closed."""

    def __init__(self, name: str, budget: _Budget) -> None:
        self.name = name
        self.content = bytearray()
        self._budget = budget

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        if self.closed:
            raise ValueError("write to closed file")
        content = bytes(memoryview(data))  # type: ignore[arg-type]  # TypeError is its answer
        self._budget.spend(len(content))
        self.content += content
        return len(content)


def _traceback(error: BaseException) -> str:
    told = traceback.TracebackException(
        type(error), error, error.__traceback__, limit=-_MAX_FRAMES, compact=True
    )
    _hide_host(told)
    return "".join(told.format())


def _hide_host(told: traceback.TracebackException) -> None:
    """No frame of ours, no directory of the library's, in it or what it came from."""
    rest = [told]
    while rest:
        told = rest.pop()
        told.stack[:] = [frame for frame in told.stack if not _is_ours(frame.filename)]
        for frame in told.stack:
            if frame.filename != module.FILE:
                frame.filename = _library_name(frame.filename)
        causes = (told.__cause__, told.__context__, *(told.exceptions or ()))
        rest += [cause for cause in causes if cause is not None]


def _is_ours(filename: str) -> bool:
    return filename.startswith(__file__.removesuffix("script.py"))


def _library_name(filename: str) -> str:
    """`<json/decoder>` for what lies somewhere in the library."""
    if filename.startswith("<"):
        return filename
    return "<" + "/".join(filename.removesuffix(".py").split("/")[-2:]) + ">"
