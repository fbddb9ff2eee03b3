"""One spelling of an argument list, so that equal lists are equal text.

`3,4  # twelve`, `+3, 0x4` and `3, 4` are one list. A guest reads the literals, our own program
there hands them back, and their canonical values are written out; comments and odd spellings are
gone.
"""

from collections.abc import Sequence

from sandbox.call import Call, Outcome
from sandbox.pool import Sandbox
from sandbox.value import render_arguments

_ECHO = "def f(*positional, **named):\n    return [list(positional), named]"


async def spell(sandbox: Sandbox, args: Sequence[str]) -> tuple[str, ...] | Outcome:
    """The argument lists in their one spelling, or the outcome if they cannot be read."""
    outcome = await sandbox.run(Call(program=_ECHO, args=args))
    if not outcome.is_ok:
        return outcome
    return tuple(render_arguments(value) for value in outcome.values)
