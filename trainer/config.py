"""Table `[trainer]` of the run's configuration, and its overrides on the command line.

`run.json` holds the table as the engine found it; the trainer is the one that checks it. Every key
must be known and of the right type, so a typing error stops the run instead of being ignored.
"""

import ast
import difflib
import inspect
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import inf
from typing import Final

from engine.wire.journal import Sync
from trainer.errors import TrainerError

ALGORITHMS: Final = ("trr++", "azr_paper", "grpo")
DTYPES: Final = ("float32", "bfloat16")
JOURNALS: Final = tuple(sync.value for sync in Sync)
CODECS: Final = ("none", "zstd")

Value = int | float | str | tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerConfig:
    """How groups become a better policy."""

    algo: str = "trr++"
    """Advantage estimator: `trr++`, `azr_paper` (the paper's, defects left out) or `grpo`."""
    lr: float = 5e-6
    """Learning rate after the warm-up; models above 1B want 1e-6."""
    warmup_steps: int = 0
    """Steps over which the learning rate rises linearly from nothing."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay of AdamW's two moments."""
    eps: float = 1e-8
    """AdamW's epsilon."""
    weight_decay: float = 0.0
    """AdamW's decoupled weight decay."""
    grad_clip: float = 1.0
    """Largest global L2 norm of a gradient; longer ones are scaled down to it."""

    batch_samples: int = 64
    """A batch is closed by the group that brings it to this many rollouts."""
    min_batch_samples: int = 8
    """At the end of a run a smaller remainder than this is left untrained."""
    micro_tokens: int = 1024
    """Most tokens in one forward pass; its attention mask has the square of it."""
    head_rows: int = 512
    """Most positions whose logits over the vocabulary are in memory at once."""

    n_min: int = 4
    """trr++: a (role, kind) group with fewer samples leans on its running baseline."""
    kappa: float = 8.0
    """trr++: the weight, in samples, of the running baseline for such a group."""
    ema_decay: float = 0.95
    """trr++: how much of the running baseline survives an update."""
    s_min: float = 1e-3
    """trr++: least standard deviation that a reward is divided by."""
    tis_cap: float = 2.0
    """Cap on p(trainer)/p(sampler), the weight that corrects stale and rounded samples."""
    entropy_coef: float = 0.0
    """Weight of the entropy bonus."""

    checkpoint_every: int = 10
    """Steps from one checkpoint to the next."""
    keep_checkpoints: int = 2
    """Checkpoints kept."""
    keep_versions: int = 2
    """Published versions kept, besides those an engine holds."""
    journal: str = "interval"
    """When a consumed record is synced to disk: each second (`interval`), `each` one, or `none`."""
    journal_gb: float = 10.0
    """The journal's size, in 10^9 bytes by ring; older segments go, but none that is needed."""
    journal_codec: str = "none"
    """`zstd` compresses the journal's sealed segments."""
    publish_dtype: str = "float32"
    """`float32`, or `bfloat16`: then the trainer, too, computes with the rounded weights."""
    threads: int = 0
    """CPU threads of the arithmetic; 0 = as torch chooses."""
    device: str = "auto"
    """`auto` (CUDA if there is any), `cpu`, `cuda` or `cuda:N`."""
    seed: int = 0
    """Seed of torch's generator; the arithmetic is deterministic and draws nothing from it."""

    def __post_init__(self) -> None:
        self._check("algo", self.algo in ALGORITHMS, f"one of {', '.join(ALGORITHMS)}")
        self._check("journal", self.journal in JOURNALS, f"one of {', '.join(JOURNALS)}")
        self._check("journal_codec", self.journal_codec in CODECS, f"one of {', '.join(CODECS)}")
        self._check("publish_dtype", self.publish_dtype in DTYPES, f"one of {', '.join(DTYPES)}")
        for name in _POSITIVE:
            self._check(name, 0 < getattr(self, name) < inf, "above 0")
        for name in _NOT_NEGATIVE:
            self._check(name, 0 <= getattr(self, name) < inf, "0 or more")
        self._check("betas", all(0 <= beta < 1 for beta in self.betas), "in [0, 1)")
        self._check("ema_decay", 0 <= self.ema_decay < 1, "in [0, 1)")
        fits = self.min_batch_samples <= self.batch_samples
        self._check("min_batch_samples", fits, f"at most batch_samples, {self.batch_samples}")

    def _check(self, name: str, is_right: bool, expected: str) -> None:
        if not is_right:
            seen = getattr(self, name)
            raise ValueError(f"trainer.{name} must be {expected}, got {seen}; correct it")


_POSITIVE: Final = (
    "lr", "eps", "grad_clip", "batch_samples", "min_batch_samples", "micro_tokens", "head_rows",
    "kappa", "s_min", "tis_cap", "journal_gb", "checkpoint_every", "keep_checkpoints",
    "keep_versions",
)  # fmt: skip
_NOT_NEGATIVE: Final = ("warmup_steps", "weight_decay", "n_min", "entropy_coef", "threads")


def read_config(table: Mapping[str, object], overrides: Mapping[str, str]) -> TrainerConfig:
    """The configuration of a run: defaults, under `table`, under `overrides` (still text).

    Raises TrainerError for an unknown key, an ill-typed or an impossible value.
    """
    defaults = {field.name: field.default for field in fields(TrainerConfig)}
    chosen: dict[str, Value] = {}
    for source, read in ((table, _from_json), (overrides, _from_text)):
        for key, value in source.items():
            name = key.replace("-", "_")
            if name not in defaults:
                raise TrainerError(_unknown(key, known=list(defaults)))
            chosen[name] = read(value, like=defaults[name], name=name)
    try:
        return TrainerConfig(**chosen)  # type: ignore[arg-type]  # each was read like its default
    except ValueError as error:
        raise TrainerError(str(error)) from error


def describe_keys() -> str:
    """One line a key: name, default and meaning, for the help page."""
    source = ast.parse(textwrap.dedent(inspect.getsource(TrainerConfig))).body[0]
    assert isinstance(source, ast.ClassDef)
    lines = []
    for statement, after in zip(source.body, source.body[1:], strict=False):
        match statement, after:
            case (
                ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as default),
                ast.Expr(value=ast.Constant(value=str(meaning))),
            ):
                value = ast.unparse(default).strip("'()").replace(", ", ",")
                lines.append(f"--trainer.{name} [{value}]: {meaning}")
    return "\n\n".join(lines)


def _unknown(key: str, *, known: list[str]) -> str:
    close = difflib.get_close_matches(key.replace("-", "_"), known, n=1)
    hint = f"did you mean trainer.{close[0]}?" if close else f"known: {', '.join(known)}"
    return f"unknown key trainer.{key}; {hint}"


def _from_json(value: object, *, like: object, name: str) -> Value:
    if isinstance(value, bool):
        raise _ill_typed(name, like=like, seen=value)
    match like, value:
        case (int(), int() as number):
            return number
        case (str(), str() as word):
            return word
        case (float(), int() | float() as number):
            return float(number)
        case (tuple(), [int() | float() as first, int() | float() as second]):
            return (float(first), float(second))
    raise _ill_typed(name, like=like, seen=value)


def _from_text(text: object, *, like: object, name: str) -> Value:
    assert isinstance(text, str)
    try:
        if isinstance(like, str):
            return text
        if isinstance(like, int | float):
            return type(like)(text)
        first, second = text.strip("()[] ").split(",")
        return (float(first), float(second))
    except ValueError:
        raise _ill_typed(name, like=like, seen=text) from None


def _ill_typed(name: str, *, like: object, seen: object) -> TrainerError:
    kinds = {int: "a whole number", float: "a number", str: "a word", tuple: "two numbers"}
    example = ",".join(map(str, like)) if isinstance(like, tuple) else like
    return TrainerError(
        f"trainer.{name} must be {kinds[type(like)]} such as {example}, got {seen!r}; correct it"
    )
