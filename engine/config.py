"""Configuration: one TOML with the tables [engine], [sandbox] and [trainer].

A recipe is such a file that ships with the package; the command line overrides any key
(`--engine.temperature 0.7`). The engine checks its own two tables; the trainer's it passes on in
`run.json`, where the trainer checks it.
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from engine.tasks.seeds import SeedSet

Table = dict[str, object]

PER_INVOCATION = frozenset({"minutes", "steps", "threads", "device", "max_batch"})
"""Keys of [engine] that may change when a run is resumed: how long and how fast, not what."""

_COUNTS = (
    "minutes", "steps", "deduction", "abduction", "induction", "references", "solver_shots",
    "staleness", "probe_samples",
)  # fmt: skip
"""Keys of [engine] that may be 0 but not less."""


class ConfigError(ValueError):
    """A wrong setting: the message says what was expected, what was seen and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """What is played, with which model, for how long."""

    model: str = "smollm2-135m"
    """`smollm2-135m`, `tiny`, a Hugging Face directory, or a hub name (owner/name)."""
    seeds: SeedSet = SeedSet.IDENTITY
    """First tasks: `identity` (the paper's zero triplet) or `starter` (a dozen tiny programs)."""
    seed: int = 0
    """Every random choice of the engine derives from this."""
    minutes: float = 0.0
    """Wall-clock budget of one invocation, probes included; 0 = no bound."""
    steps: int = 0
    """Optimizer steps of one invocation; 0 = no bound."""

    deduction: int = 1
    """Rounds of this kind per cycle."""
    abduction: int = 1
    """Rounds of this kind per cycle."""
    induction: int = 1
    """Rounds of this kind per cycle."""
    proposals: int = 16
    """Proposals per round: samples of one prompt."""
    solver_rollouts: int = 8
    """Attempts per admitted task: they measure its learnability and train the solver."""
    references: int = 3
    """Tasks shown to the proposer."""
    anchors: int = 0
    """How many of the references are seeds: keeps a small model's proposals from drifting."""
    solver_shots: int = 2
    """Solved seed tasks at the head of the solver's prompt."""
    num_inputs: int = 4
    """Inputs of an induction task; half are shown, half hidden."""
    temperature: float = 1.0
    """Sampling temperature of both roles; the trainer divides logits by the same."""
    proposal_tokens: int = 256
    """Token budget of a proposal, and of an induction answer."""
    answer_tokens: int = 64
    """Token budget of a deduction or abduction answer."""
    reject_trivial: bool = True
    """Count programs that return a constant, None or an argument unchanged as invalid."""
    novelty_by_shape: bool = False
    """Compare normal forms with constants erased."""
    max_value_chars: int = 200
    """Longest argument list or result, as text, that a task may have."""
    max_program_chars: int = 2000
    """Longest program of a task."""

    staleness: int = 1
    """Batches that may be played ahead of the newest published version."""
    rounds_in_flight: int = 2
    """Rounds played at once."""
    max_batch: int = 32
    """Sequences the local policy decodes together."""
    threads: int = 1
    """CPU threads of the local policy."""
    device: str = "cpu"
    """`cpu`, or a GPU such as `cuda`."""

    probe_temperatures: tuple[float, ...] = (0.3, 0.5, 0.7, 1.0)
    """Temperatures of the frozen probe; the best one counts, before and after."""
    probe_samples: int = 64
    """Proposals per temperature; 0 = no probe."""

    def __post_init__(self) -> None:
        for name in ("proposals", "solver_rollouts", "max_batch", "threads"):
            _expect_at_least(f"engine.{name}", getattr(self, name), 1)
        for name in _COUNTS:
            _expect_at_least(f"engine.{name}", getattr(self, name), 0)
        if self.temperature <= 0:
            raise ConfigError(
                f"engine.temperature must be above 0, got {self.temperature}; try 1.0"
            )
        if self.num_inputs < 2:
            raise ConfigError(
                f"engine.num_inputs must be 2 or more, one shown and one hidden, got "
                f"{self.num_inputs}"
            )
        if self.deduction + self.abduction + self.induction < 1:
            raise ConfigError("one of engine.deduction, .abduction, .induction must be above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxConfig:
    """Limits of one guest and the size of the pool."""

    workers: int = 2
    """Zygotes per hash-seed family."""
    wall_s: float = 2.0
    """Wall-clock budget of one call."""
    memory_mb: int = 128
    """Memory a guest may add to its zygote's."""
    jail: Literal["auto", "native", "nsjail", "filter-only"] = "auto"
    """`auto`: namespaces, by us or by nsjail; the weaker `filter-only` must be named."""

    def __post_init__(self) -> None:
        _expect_at_least("sandbox.workers", self.workers, 1)
        _expect_at_least("sandbox.memory_mb", self.memory_mb, 1)
        if not 0 < self.wall_s < math.inf:
            raise ConfigError(f"sandbox.wall_s must be above 0, got {self.wall_s}; try 2.0")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """The resolved configuration of a run, as written to run.json."""

    engine: EngineConfig
    sandbox: SandboxConfig
    trainer: Mapping[str, object]

    def __post_init__(self) -> None:
        _ = self.batch_samples  # the one key that the engine needs: say so before a run is founded

    @property
    def batch_samples(self) -> int:
        """Rollouts of one optimizer step: the trainer's key, and the engine's unit of staleness."""
        value = self.trainer.get("batch_samples")
        if type(value) is not int or value < 1:
            raise ConfigError(
                f"trainer.batch_samples must be stated, 1 or more, got {value!r}; "
                "try --trainer.batch_samples 64"
            )
        return value

    def to_dict(self) -> dict[str, Table]:
        """The three tables as plain data, less what belongs to one invocation only."""
        engine = {k: v for k, v in asdict(self.engine).items() if k not in PER_INVOCATION}
        return {
            "engine": engine,
            "sandbox": asdict(self.sandbox),
            "trainer": dict(self.trainer),
        }


def recipe_names() -> list[str]:
    """The recipes that ship with the package."""
    folder = resources.files("engine.recipes")
    return sorted(
        p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")
    )


def read_recipe(name: str) -> dict[str, Table]:
    """The tables of a shipped recipe or of a TOML file (a name that ends in .toml)."""
    if name.endswith(".toml"):
        return _read_tables(Path(name))
    if name not in recipe_names():
        raise ConfigError(
            f"expected a recipe ({', '.join(recipe_names())}) or a .toml file, got {name!r}"
        )
    return tomllib.loads(resources.files("engine.recipes").joinpath(f"{name}.toml").read_text())


def _expect_at_least(key: str, value: float, least: int) -> None:
    if value < least:
        raise ConfigError(f"{key} must be {least} or more, got {value}")


def _read_tables(path: Path) -> dict[str, Table]:
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"expected a configuration file at {path}, found none") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} is not readable TOML: {error}") from None
    unknown = sorted(set(tables) - {"engine", "sandbox", "trainer"})
    if unknown or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError(
            f"{path} may hold the tables [engine], [sandbox] and [trainer], "
            f"found {unknown or 'keys outside of a table'}"
        )
    return tables
