"""Static facts of a program, as found by a guest."""

from dataclasses import dataclass, field

from sandbox.call import Outcome
from sandbox.value import decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """Static facts of a program; digests are hexadecimal, empty for what is no program."""

    ok: bool
    """Whether the program may become a task."""
    problem: str
    """Empty, or one reason: `syntax: ...`, `no_f: ...`, `screen: ...`, or a verdict."""
    normal_form: str
    """Digest of the tree without comments and docstrings, with bound names made canonical."""
    shape: str
    """The same with constants erased."""
    num_params: tuple[int, int]
    """Fewest and most positional arguments of f."""
    num_nodes: int
    """Size of the syntax tree."""
    trivial: bool
    """f only returns a constant or one of its parameters unchanged."""
    leaves_open: bool = False
    """The program has sets, makes texts of values or catches everything: what Python leaves open
    (set order, addresses, room on stack and heap) may show in its result."""
    twin: str = field(default="", repr=False)
    """For such a program: its twin, which draws all that by lot; empty if there is none."""


def to_inspection(outcome: Outcome) -> Inspection:
    """What a guest's inspection says, or why there is none."""
    if not outcome.is_ok:
        return _no_inspection(f"{outcome.verdict}: {outcome.error}")
    return _read(decode(outcome.values[0]))


def _read(facts: object) -> Inspection:
    """From the guest's tuple, every field of which is checked: a parser bug is the guest's too."""
    kinds = (str, str, str, int, int, int, bool, bool, str)
    if not isinstance(facts, tuple) or tuple(map(type, facts)) != kinds:
        return _no_inspection("crashed: malformed inspection")
    problem, normal_form, shape, low, high, num_nodes, trivial, is_open, twin = facts
    return Inspection(
        ok=not problem,
        problem=problem,
        normal_form=normal_form,
        shape=shape,
        num_params=(low, high),
        num_nodes=num_nodes,
        trivial=trivial,
        leaves_open=is_open,
        twin=twin,
    )


def _no_inspection(problem: str) -> Inspection:
    return Inspection(
        ok=False,
        problem=problem,
        normal_form="",
        shape="",
        num_params=(0, 0),
        num_nodes=0,
        trivial=False,
    )
