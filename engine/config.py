"""Configuration: one TOML with the tables [engine], [sandbox] and [trainer].

A recipe is such a file that ships with the package; the command line overrides any key
(`--engine.temperature 0.7`). The engine checks its own tables; the trainer's it passes on in
`run.json`, where the trainer checks it.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from engine.choices import Estimate, NoveltyGate, SolverMix
from engine.play.shapes import OF_A_SHARE, SHAPES
from engine.prompts.forms import Form
from engine.tasks.eviction import Eviction
from engine.tasks.pools import Weighting
from engine.tasks.seeds import SeedSet
from engine.wire.messages import MAIN_KINDS, Kind

Table = dict[str, object]

TABLES = ("engine", "sandbox", "trainer")

PER_INVOCATION = frozenset({
    "minutes", "steps", "threads", "device", "max_batch", "max_in_flight",
    "policy", "sglang_python", "sglang_urls", "sglang_router", "sglang_args",
    "sglang_tolerance", "record", "api", "api_token_file",
})  # fmt: skip
"""Keys of [engine] that may change when a run is resumed: how long and how fast, not what."""

_COUNTS = (
    "minutes", "steps", "deduction", "abduction", "induction", "error",
    "references",
    "seed_factor", "solver_shots", "solver_tasks", "staleness", "probe_samples",
)  # fmt: skip
"""Keys of [engine] that may be 0 but not less."""

_POSITIVE = (
    "prompts", "proposals", "solver_rollouts", "rounds_in_flight", "max_in_flight", "max_batch",
    "threads", "memory_capacity",
)  # fmt: skip
"""Keys of [engine] that are at least 1."""


class ConfigError(ValueError):
    """A wrong setting: the message says what was expected, what was seen and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """What is played, with which model, for how long."""

    policy: Literal["local", "sglang"] = "local"
    """Who runs the model: `local`, a process of ours, or `sglang`, servers that speak HTTP."""
    sglang_python: str = ""
    """Interpreter of the environment that a SGLang server is started from."""
    sglang_urls: tuple[str, ...] = ()
    """SGLang servers that run already, instead; they must see the run's files."""
    sglang_router: str = ""
    """Address of an sglang-router before these servers."""
    sglang_args: tuple[str, ...] = ()
    """More options for a server that is started."""
    sglang_tolerance: float = 0.05
    """Nats between a server's log-probabilities and the trainer's above which it is refused."""
    model: str = "smollm2-135m"
    """`smollm2-135m`, `tiny`, a Hugging Face directory, or a hub name (owner/name)."""
    seeds: SeedSet = SeedSet.IDENTITY
    """First tasks: `identity` (the paper's zero triplet) or `starter` (a dozen tiny programs)."""
    seed_factor: int = 0
    """Rounds' worth of proposals that become seeds too before anything is trained; the paper: 4."""
    seed: int = 0
    """Every random choice of the engine derives from this."""
    minutes: float = 0.0
    """Wall-clock budget of one invocation, probes included; 0 = no bound."""
    steps: int = 0
    """Optimizer steps of one invocation; 0 = no bound."""

    form: Form = Form.BLOCKS
    """Prompts as `blocks` of code (small models), with `tags` (base models), or as `chat`."""

    deduction: int = 1
    """Rounds of this kind per cycle."""
    abduction: int = 1
    """Rounds of this kind per cycle."""
    induction: int = 1
    """Rounds of this kind per cycle."""
    error: int = 0
    """Rounds per cycle of error deduction, the fourth kind of AZR's appendix."""
    prompts: int = 1
    """Prompts of the proposer per round, each with references of its own."""
    proposals: int = 16
    """Proposals per prompt."""
    references: int = 3
    """Tasks shown to the proposer."""
    reference_weighting: Weighting = Weighting.UNIFORM
    """How references are drawn from the memory: `uniform`, or `recent` ones more often."""
    show_outputs: bool = False
    """Whether references show their results."""
    anchors: int = 0
    """How many of the references are seeds: keeps a small model's proposals from drifting."""
    estimate: Estimate = Estimate.FIXED
    """How a task's solve rate is measured: by a `fixed` number of attempts, or `adaptive`."""
    solver_rollouts: int = 8
    """fixed: attempts per admitted task."""
    stages: tuple[int, ...] = (2, 4, 8, 16)
    """adaptive: attempts after each stage; the next stage is played while it could still matter."""
    confidence: float = 0.7
    """adaptive: how sure to be of the solve rate's place before stopping."""
    recycle: bool = True
    """Whether the attempts that measure a task also train the solver; else see `solver_tasks`."""
    band: tuple[float, float] = (0.2, 0.8)
    """adaptive: solve rates worth having; attempts stop when it is known on which side it is."""
    mixed_only: bool = False
    """Leave tasks that every attempt solves, or none, out of the solver's training."""
    solver_tasks: int = 0
    """Tasks per round that the solver trains on, one attempt each, if nothing is recycled."""
    solver_mix: SolverMix = SolverMix.MAX_NEW
    """Which tasks these are: `max_new` (the round's own first), `half_new`, `uniform`, `step`."""
    solver_lag: int = 0
    """0: new are the tasks of this round (AZR's paper); 1: those of the kind's last (its code)."""
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
    reward_shape: str = "one_minus"
    """What a solve rate is worth to the proposer: a function of `engine/play/shapes.py`."""
    invalid_reward: float = -1.0
    """What a proposal earns that is no valid new task."""
    reject_trivial: bool = True
    """Count programs that return a constant, None or an argument unchanged as invalid."""
    novelty: NoveltyGate = NoveltyGate.FORM
    """What repeats a task: its `form`, `shape` (constants erased), `behaviour`; or `none`."""
    leak_gate: bool = True
    """Count proposals that give their answer away as invalid."""
    induction_check: Literal["hidden", "all"] = "hidden"
    """Which examples an induction answer must match."""
    equality: Literal["strict", "python"] = "strict"
    """`strict`: equal in type and value; `python`: as == has it, so that 1 is True."""
    record: bool = True
    """Keep every prompt and attempt, for `engine explain` and `engine replay`."""
    memory_capacity: int = 16_384
    """Tasks of a kind that can be drawn; beyond it some leave."""
    eviction: Eviction = Eviction.COVERAGE
    """Which ones: by `age`, `solved` (always or never) or `coverage` (many of one shape)."""
    max_value_chars: int = 200
    """Longest argument list or result, as text, that a task may have."""
    max_program_chars: int = 2000
    """Longest program of a task."""

    staleness: int = 1
    """Batches that may be played ahead of the newest published version."""
    rounds_in_flight: int = 2
    """Rounds played at once."""
    max_in_flight: int = 256
    """Completions under way at once, shared fairly among roles and kinds."""
    stream: bool = True
    """Certify a proposal when it is complete, not when its completion ends."""
    early_abort: bool = True
    """Cut a completion that can no longer become valid."""
    max_batch: int = 32
    """Sequences the local policy decodes together."""
    threads: int = 1
    """CPU threads of the local policy."""
    device: str = "cpu"
    """`cpu`, or a GPU such as `cuda`."""
    api: str = ""
    """HOST:PORT of the HTTP interface; empty: there is none."""
    api_token_file: str = ""
    """File with the bearer token of the HTTP interface; needed off the loopback."""

    probe_temperatures: tuple[float, ...] = (0.3, 0.5, 0.7, 1.0)
    """Temperatures of the frozen probe; the best one counts, before and after."""
    probe_samples: int = 64
    """Proposals per temperature; 0 = no probe."""

    def __post_init__(self) -> None:
        for name in _POSITIVE:
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
        if self.reward_shape not in SHAPES:
            raise ConfigError(
                f"engine.reward_shape is one of {', '.join(SHAPES)}, got {self.reward_shape!r}"
            )
        if self.policy == "sglang" and bool(self.sglang_python) == bool(self.sglang_urls):
            raise ConfigError(
                "engine.policy sglang needs engine.sglang_python, to start a server from, or "
                "engine.sglang_urls, where servers run; one of the two"
            )
        self._check_attempts()
        if self.deduction + self.abduction + self.induction + self.error < 1:
            raise ConfigError(
                "one of engine.deduction, .abduction, .induction, .error must be above 0"
            )

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Those that a run has seeds and an exam of, played or not, and error deduction if so."""
        return (*MAIN_KINDS, Kind.ERROR) if self.error else MAIN_KINDS

    def _check_attempts(self) -> None:
        low, high = self.band
        if not (0.0 <= low < high <= 1.0 and 0.0 < self.confidence < 1.0):
            raise ConfigError(
                "engine.band is two solve rates from 0 to 1, the smaller first, and "
                f"engine.confidence between 0 and 1, got {self.band} and {self.confidence}"
            )
        if not self.stages or list(self.stages) != sorted({*self.stages}) or self.stages[0] < 1:
            raise ConfigError(f"engine.stages must rise from 1 or more, got {self.stages}")
        if self.estimate is Estimate.ADAPTIVE and self.reward_shape in OF_A_SHARE:
            raise ConfigError(
                f"engine.reward_shape {self.reward_shape!r} needs engine.estimate fixed: a belief "
                "would pay most for what nobody can solve; try one_minus_of_8, its mean"
            )
        if not (self.recycle or self.solver_tasks):
            raise ConfigError(
                "with engine.recycle off the solver needs a batch of its own: set "
                "engine.solver_tasks, the paper has 64"
            )
        if self.solver_lag not in (0, 1):
            raise ConfigError(f"engine.solver_lag is 0 or 1, got {self.solver_lag}")


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


def _expect_at_least(key: str, value: float, least: int) -> None:
    if value < least:
        raise ConfigError(f"{key} must be {least} or more, got {value}")
