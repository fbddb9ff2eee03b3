"""`sandbox run`: one call, or one script, from the shell."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from sandbox.commands import shell
from sandbox.jails import Jail

if TYPE_CHECKING:
    from sandbox.limits import Limits


def run(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    *,
    args: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    script: bool = False,
    stdin: Annotated[Path | None, Parameter(allow_leading_hyphen=True)] = None,
    wall_s: float = 2.0,
    memory_mb: int = 128,
    jail: Jail = "auto",
) -> int:
    """Call the f of a program, once per argument list, in one guest; or run a whole script.

    Values go to stdout, one a line. A script's stdout and stderr go to stdout and stderr. Exit
    status 0: fine; 1: it did not end well, and stderr says how; 2: bad input.

        sandbox run sort.py --args '[3, 1, 2]' --args '[3, 1, 2], k=2'

        echo '3 4' | sandbox run add.py --stdin -

    Parameters
    ----------
    file
        Python source that defines f, or a script; - reads standard input.
    args
        Argument lists, each what stands between the parentheses: '[3, 1, 2], k=4'.
    script
        Run the file from its first line to its last, as python would, with no input.
    stdin
        Standard input of the script, - for this command's own; implies --script.
    wall_s
        Wall-clock seconds of the call.
    memory_mb
        Memory of the guest.
    jail
        native, nsjail, or whichever works; the weaker filter-only must be named.
    """
    from sandbox.limits import Limits

    try:
        limits = Limits(
            wall_s=wall_s,
            cpu_s=max(wall_s, 1.0),
            memory_mb=memory_mb,
            args_bytes=64 << 20,
        )
    except ValueError as error:
        shell.fail(str(error))
    is_script = script or stdin is not None
    if is_script and args:
        shell.fail("a script has --stdin, a program with f has --args: give one of them")
    if stdin is not None and str(stdin) == str(file) == "-":
        shell.fail("the script and its input cannot both be standard input")
    source = shell.read(file)
    if is_script:
        return asyncio.run(_script(source, shell.read(stdin) if stdin else "", limits, jail))
    return asyncio.run(_call(source, args or [""], limits, jail))


async def _call(program: str, args: list[str], limits: "Limits", jail: Jail) -> int:
    from sandbox.call import Call
    from sandbox.pool import Sandbox
    from sandbox.value import render

    async with Sandbox(workers=1, limits=limits, jail=jail) as sandbox:
        ended = await sandbox.run(Call(program=program, args=args))
    for text in map(render, ended.values):
        print(text)
    if ended.is_ok:
        return 0
    where = "" if ended.failed is None else f", argument list {ended.failed}"
    print(f"{ended.verdict}: {ended.error}{where}", file=sys.stderr)
    return 1


async def _script(source: str, stdin: str, limits: "Limits", jail: Jail) -> int:
    from sandbox.pool import Sandbox
    from sandbox.script import Script

    async with Sandbox(workers=1, limits=limits, jail=jail) as sandbox:
        ended = await sandbox.run_script(Script(source=source, stdin=stdin))
    # TextIO may be ASCII here, and the guest's text is whatever it is.
    sys.stdout.buffer.write(ended.stdout.encode("utf-8", "replace"))
    sys.stderr.write(ended.stderr.encode("ascii", "backslashreplace").decode())
    if ended.is_ok:
        return 0
    code = "" if ended.exit_code is None else f", exit code {ended.exit_code}"
    print(f"{ended.verdict}: {ended.error}{code}", file=sys.stderr)
    return 1
