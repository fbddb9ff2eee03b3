"""Who takes part: the sandbox, and what others do, each in the shape of the thing it stands for.

A rival that can hold one call at a time gets a caller process for each lane, so no interpreter lock
is shared, which favours it. The sandbox has one caller for all lanes, as in use.
They do not offer the same: `walls` says what stands between a program and the caller.
"""

import importlib.util
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.callers import BATCH, OURS, find_program, trial_of_sandlock
from sandbox import floor
from sandbox.floor import Caller
from sandbox.modules import GUEST_MODULES


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """One way to run a program, and what it needs."""

    key: str
    name: str
    walls: str
    endures: bool = True
    """Whether it comes back from a program that never ends."""
    holds_lanes: bool = False
    """Whether one caller process serves all lanes."""
    needs: str = ""
    """A Python package, or `bin:NAME` for a program."""

    def missing(self) -> str:
        """Why it cannot take part; empty if it can."""
        kind, _, name = self.needs.rpartition(":")
        if kind == "bin":
            return "" if find_program(name) else f"no program {name} on PATH or in a package"
        if self.needs and importlib.util.find_spec(self.needs) is None:
            return f"no package {self.needs} for this Python; try `pip install {self.needs}`"
        return "" if self.key != "sandlock" else trial_of_sandlock()

    def callers(self, *, lanes: int, wall_s: float) -> list[Caller]:
        """Its caller processes, started."""
        num_callers = 1 if self.holds_lanes else lanes
        if self.key in ("exec", "fork", "fork-exit"):
            return [floor.start(self.key) for _ in range(num_callers)]
        inside = lanes if self.holds_lanes else 1
        return [caller(self.key, lanes=inside, wall_s=wall_s) for _ in range(num_callers)]


FLOOR = "fork"
RIVALS = (
    Rival(key=OURS, name="kelvin sandbox", walls="jail, fork, seccomp, rlimits", holds_lanes=True),
    Rival(key="exec", name="exec in this process", walls="none", endures=False),
    Rival(key="fork-exit", name="bare fork + exit", walls="none; runs nothing", endures=False),
    Rival(key=FLOOR, name="bare fork + run", walls="process", endures=False),
    Rival(key="pebble", name="pebble, a task a call (AZR)", walls="none; worker reused",
          needs="pebble"),
    Rival(key="pebble-batch", name=f"pebble, batches of {BATCH}", walls="none; worker reused",
          needs="pebble", holds_lanes=True),
    Rival(key="manager", name="Process + Manager (human-eval)", walls="process"),
    Rival(key="python", name="subprocess python -I -S", walls="process"),
    Rival(key="bwrap", name="bubblewrap + python", walls="namespaces", needs="bin:bwrap"),
    Rival(key="nsjail", name="nsjail + python", walls="namespaces, rlimits", needs="bin:nsjail"),
    Rival(key="sandlock", name="sandlock + python", walls="Landlock, seccomp", needs="sandlock"),
)  # fmt: skip


def caller(
    key: str,
    *,
    lanes: int = 1,
    wall_s: float = 10.0,
    workers: int = 0,
    modules: Sequence[str] = GUEST_MODULES,
) -> Caller:
    """A process of `benchmarks.callers`; `workers` and `modules` are the sandbox's."""
    options = {"lanes": lanes, "wall_s": wall_s, "workers": workers, "modules": list(modules)}
    return Caller([sys.executable, "-m", "benchmarks.callers", key, json.dumps(options)])
