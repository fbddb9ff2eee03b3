"""What a program does, as a digest: its results for probe inputs of the types of its own arguments.

Two programs that are written differently and do the same are one idea, and normal forms cannot see
that. The probes run in one guest, behind a wrapper that is appended to the program, so a program
could see that it is probed and lie about itself; that costs it nothing but the look of being new,
and the other gates of novelty do not depend on it. What raises for most probes, runs too long or
returns what has no canonical form has no digest: it is nobody's double.
"""

from functools import cache
from hashlib import sha256
from importlib import resources

from sandbox import Call, Sandbox, decode

NUM_PROBES = 8
"""As many as the wrapper makes."""


async def behaviour_of(sandbox: Sandbox, program: str, args: str) -> str:
    """The digest of a program, given an argument list as literal text; empty if it has none."""
    outcome = await sandbox.run(Call(program=f"{program}\n\n\n{_wrapper()}", args=[args]))
    if not outcome.is_ok:
        return ""
    results = decode(outcome.values[0])
    if not isinstance(results, tuple) or len(results) != 2 or not isinstance(results[0], int):
        return ""  # the program has its own idea of what f is
    if results[0] * 2 < NUM_PROBES:
        return ""
    return sha256(outcome.values[0]).hexdigest()[:16]


@cache
def _wrapper() -> str:
    return resources.files("engine.play").joinpath("probed.txt").read_text("utf-8")
