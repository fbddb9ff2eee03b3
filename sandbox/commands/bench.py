"""`sandbox bench`: what a program costs on this host, in about ten seconds."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from sandbox.jails import Jail


def bench(
    *,
    seconds: Annotated[float, Parameter(validator=validators.Number(gt=0))] = 10.0,
    json: Path | None = None,
    jail: Jail = "auto",
) -> int:
    """Measure what a program costs on this host, beside exec, a bare fork and a fresh python.

        sandbox bench --seconds 20 --json bench.json

    Parameters
    ----------
    seconds
        How long to measure, all contenders together.
    json
        Also write the figures to this file.
    jail
        The jail to measure in.
    """
    from sandbox import contest

    return contest.run(seconds=seconds, file=json, jail=jail)
