"""`sandbox corpus`: does the jail hold against a directory of attack programs?"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sandbox.jails import Jail


def corpus(
    directory: Path,
    *,
    json: Annotated[bool, Parameter(negative="")] = False,
    jail: Jail = "auto",
) -> int:
    """Run a directory of attack programs, each in both hash families.

    Says of each whether it was contained: it did not reach its aim, the verdict is one that holds,
    the next program is right, and nothing is left on the host. Exit status 0: all were contained.

        sandbox corpus tests/sandbox/attacks

        sandbox corpus tests/sandbox/attacks --jail filter-only --json

    Parameters
    ----------
    directory
        Folder of attack programs, `CLASS/NAME.py`, each with its header.
    json
        Print one JSON document instead of a line per program.
    jail
        Which jail must hold; the weaker filter-only must be named.
    """
    from sandbox.corpus.command import run_corpus

    return run_corpus(directory, as_json=json, jail=jail)
