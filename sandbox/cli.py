"""`sandbox run | doctor`: one call from the shell; what this host's jail is made of."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, NoReturn

from cyclopts import App, Parameter

app = App(name="sandbox", help="Run untrusted Python programs in isolation.")


@app.command
def run(
    file: Path,
    *,
    args: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    wall_s: float = 2.0,
    memory_mb: int = 128,
) -> int:
    """Call the f of a program, once per argument list, in one guest.

    Parameters
    ----------
    file
        Python source that defines f; - reads standard input.
    args
        Argument lists, each what stands between the parentheses: '[3, 1, 2], k=4'.
    wall_s
        Wall-clock seconds of the call.
    memory_mb
        Memory of the guest.
    """
    from sandbox.call import Call, Outcome
    from sandbox.limits import Limits
    from sandbox.pool import Sandbox
    from sandbox.value import render

    call = Call(program=_read(file), args=args or [""])
    try:
        limits = Limits(wall_s=wall_s, cpu_s=max(wall_s, 1.0), memory_mb=memory_mb)
    except ValueError as error:
        _fail(str(error))

    async def outcome() -> Outcome:
        async with Sandbox(workers=1, limits=limits) as sandbox:
            return await sandbox.run(call)

    ended = asyncio.run(outcome())
    for text in map(render, ended.values):
        print(text)
    if ended.is_ok:
        return 0
    where = "" if ended.failed is None else f", argument list {ended.failed}"
    print(f"{ended.verdict}: {ended.error}{where}", file=sys.stderr)
    return 1


@app.command
def doctor() -> int:
    """Show every layer of the jail, on or off, each tried on both sides; 0 if all is sound."""
    from rich.console import Console
    from rich.table import Table

    from sandbox.doctor import examine

    findings = asyncio.run(examine())
    table = Table(title="layers of the jail, outermost last")
    for column in ("layer", "state", "alone it stops", "without it", "detail"):
        table.add_column(column)
    for found in findings:
        state = "on" if found.is_on else "MISSING" if found.is_mandatory else "off"
        stops = {None: "-", True: "yes", False: "NO"}[found.stops]
        needed = {None: "-", True: "reached", False: "not reached either"}[found.needed]
        detail = found.detail if found.is_on else f"{found.detail}; needs: {found.advice}"
        table.add_row(found.layer, state, stops, needed, detail)
    Console().print(table)
    is_jailed = all(f.is_on for f in findings if f.layer in ("namespaces", "root"))
    print(f"jail: {'namespaces' if is_jailed else 'filter-only'}")
    is_sound = all(found.is_sound for found in findings)
    print("now: sandbox run FILE --args '[3, 1, 2]'" if is_sound else "a layer does not hold")
    return 0 if is_sound else 1


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        _fail(f"cannot read {file}: {error}; give a file of Python source, UTF-8")


def _fail(sentence: str) -> NoReturn:
    print(f"sandbox: {sentence}", file=sys.stderr)
    raise SystemExit(2)


def main() -> None:
    """Entry point. Exit status: 0 fine, 1 the call or a layer failed, 2 bad input."""
    from sandbox.errors import SandboxError

    app.result_action = "return_value"
    try:
        result = app(exit_on_error=False, print_error=True)
    except SandboxError as error:
        _fail(str(error))
    except SystemExit:
        raise
    except Exception as error:
        from cyclopts import CycloptsError

        if not isinstance(error, CycloptsError):
            raise
        raise SystemExit(2) from None
    raise SystemExit(result if isinstance(result, int) else 0)
