"""`sandbox certify`: is this program a function of its arguments?"""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from sandbox.commands import shell
from sandbox.jails import Jail

if TYPE_CHECKING:
    from sandbox.certify import Certificate, Rejection
    from sandbox.pool import Sandbox


def certify(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    *,
    args: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
    wall_s: float = 2.0,
    memory_mb: int = 128,
    workers: int = 1,
    jail: Jail = "auto",
) -> int:
    """Check that f is deterministic and pure, and print its certificate or why there is none.

    Runs f on the argument lists in one process, then on the same lists and backwards in another
    with another hash seed; a program that uses sets is run in every process of the pool. Exit
    status 0: a certificate; 1: a rejection; 2: bad input.

        sandbox certify sort.py --args '[3, 1, 2]' --args '[]'

        sandbox certify sort.py --args '[3, 1, 2]' --json

    Parameters
    ----------
    file
        Python source that defines f; - reads standard input.
    args
        Argument lists, each what stands between the parentheses: '[3, 1, 2], k=4'.
    as_json
        One JSON object instead of text.
    wall_s
        Wall-clock seconds of each call.
    memory_mb
        Memory of each guest.
    workers
        Zygotes for each of two hash families: more of them see more of what a hash seed decides.
    jail
        native, nsjail, or whichever works; the weaker filter-only must be named.
    """
    from sandbox.certify import Certificate
    from sandbox.limits import Limits
    from sandbox.pool import Sandbox

    program = shell.read(file)
    try:
        limits = Limits(wall_s=wall_s, cpu_s=max(wall_s, 1.0), memory_mb=memory_mb)
        pool = Sandbox(workers=workers, limits=limits, jail=jail)
    except ValueError as error:
        shell.fail(str(error))

    lists = args or [""]
    answer = asyncio.run(_answer(pool, program, lists))
    print(json.dumps(_to_dict(answer), indent=2) if as_json else _to_text(answer, lists))
    return 0 if isinstance(answer, Certificate) else 1


async def _answer(pool: "Sandbox", program: str, args: list[str]) -> "Certificate | Rejection":
    from sandbox.certify import certify as examine

    async with pool as sandbox:
        return await examine(sandbox, program=program, args=args)


def _to_dict(answer: "Certificate | Rejection") -> dict[str, object]:
    from sandbox.certify import Rejection

    if isinstance(answer, Rejection):
        return {"certified": False, "reason": answer.reason, "detail": answer.detail}
    return {"certified": True} | answer.to_dict()


def _to_text(answer: "Certificate | Rejection", args: list[str]) -> str:
    from sandbox.certify import Rejection
    from sandbox.value import render

    if isinstance(answer, Rejection):
        return f"rejected: {answer.reason}" + (f": {answer.detail}" if answer.detail else "")
    seeds = ", ".join(map(str, answer.seeds))
    lines = [f"certified: Python {answer.python}, {answer.num_runs} runs, hash seeds {seeds}"]
    lines += [f"f({a}) == {render(v)}" for a, v in zip(args, answer.values, strict=True)]
    lines.append(f"normal form {answer.normal_form}, shape {answer.shape}")
    return "\n".join(lines)
