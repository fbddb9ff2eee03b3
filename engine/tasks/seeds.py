"""Where the first tasks come from: the paper's one triplet, or a dozen tiny programs of our own.

Seeds are texts; they become tasks like any proposal, by a certificate of the sandbox.
"""

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources


class SeedSet(StrEnum):
    """Which seeds a run starts from."""

    IDENTITY = "identity"
    """The paper's zero triplet: a function that returns its argument. No data at all."""
    STARTER = "starter"
    """A dozen tiny programs that show a small model the format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedProgram:
    """A program with argument lists and a sentence about it, all as text."""

    program: str
    inputs: tuple[str, ...]
    message: str


IDENTITY = SeedProgram(
    program="def f(x):\n    return x",
    inputs=(
        "'Hello world'",
        "7",
        "[1, 2]",
        "'kelvin'",
        "(3, 'a')",
        "-1",
        "{'k': 2}",
        "2.5",
        "[True, None]",
        "''",
    ),
    message="returns what it is given",
)


def seed_programs(seeds: SeedSet) -> list[SeedProgram]:
    """The programs a run starts from."""
    return [IDENTITY] if seeds is SeedSet.IDENTITY else _packaged("starter")


def held_out_programs() -> list[SeedProgram]:
    """The programs that solving is examined on; never shown to a proposer, never trained on."""
    return _packaged("held_out")


def _packaged(section: str) -> list[SeedProgram]:
    text = resources.files("engine.tasks").joinpath("starter.toml").read_text("utf-8")
    return [
        SeedProgram(
            program=entry["program"].strip("\n"),
            inputs=tuple(entry["inputs"]),
            message=entry["message"],
        )
        for entry in tomllib.loads(text)[section]
    ]
