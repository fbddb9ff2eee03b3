"""The tables of the flight recorder: every prompt, proposal and attempt, and what became of it.

Written with the round they belong to, in one transaction, and never changed. A prompt's text is
stored once, under its hash, however many completions it had. With the seed of the request and the
number of the sample in it, a completion can be asked for again; with its text, it can be judged
again (`engine replay`).
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from engine.wire.messages import Kind, Role

TABLES = """
CREATE TABLE IF NOT EXISTS prompts (
    id TEXT PRIMARY KEY, role TEXT NOT NULL, kind TEXT NOT NULL, form TEXT NOT NULL,
    lead TEXT NOT NULL, given TEXT NOT NULL, text TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS proposals (
    id INTEGER PRIMARY KEY, round INTEGER NOT NULL, kind TEXT NOT NULL, version INTEGER NOT NULL,
    fate TEXT NOT NULL, detail TEXT NOT NULL, text TEXT NOT NULL, solve_rate REAL,
    reward REAL NOT NULL, task_id TEXT,
    prompt_id TEXT NOT NULL, sample INTEGER NOT NULL, seed INTEGER, finish TEXT NOT NULL,
    versions TEXT NOT NULL, num_tokens INTEGER NOT NULL, components TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS proposals_by_task ON proposals (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS proposals_by_round ON proposals (round);
CREATE TABLE IF NOT EXISTS attempts (
    id INTEGER PRIMARY KEY, round INTEGER NOT NULL, task_id TEXT NOT NULL, verdict TEXT NOT NULL,
    text TEXT NOT NULL, reward REAL NOT NULL,
    is_trained INTEGER NOT NULL, is_measure INTEGER NOT NULL,
    prompt_id TEXT NOT NULL, sample INTEGER NOT NULL, seed INTEGER, finish TEXT NOT NULL,
    versions TEXT NOT NULL, num_tokens INTEGER NOT NULL, components TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS attempts_by_task ON attempts (task_id);
CREATE INDEX IF NOT EXISTS attempts_by_round ON attempts (round);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptRow:
    """What a policy was given, and what a reader of its completions must know."""

    role: Role
    kind: Kind
    form: str
    lead: str
    """The beginning of the completion that belongs to the prompt."""
    given: str
    """Induction proposals: the program that inputs were asked for."""
    text: str

    @property
    def id(self) -> str:
        """Content hash: 16 hexadecimal digits."""
        content = [self.role, self.kind, self.form, self.lead, self.given, self.text]
        return sha256(json.dumps(content).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """How a completion came about."""

    prompt_id: str = ""
    sample: int = 0
    """Its number in its request."""
    seed: int | None = None
    """Of its request."""
    finish: str = "stop"
    versions: Sequence[tuple[int, int]] = ()
    """(version, tokens) runs."""
    num_tokens: int = 0
    components: Mapping[str, float] = field(default_factory=dict)
    """What its reward was made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalRow:
    """One proposal and what became of it."""

    kind: Kind
    version: int
    fate: str
    """`admitted`, or the one word why it was not."""
    detail: str
    text: str
    """The prompt's lead and the completion."""
    reward: float
    solve_rate: float | None = None
    task_id: str | None = None
    written: Written = field(default_factory=Written)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One answer to a task and what became of it."""

    task_id: str
    verdict: str
    text: str
    """The completion alone."""
    reward: float
    is_trained: bool
    """Whether it went to the trainer."""
    is_measure: bool
    """Whether it is one of those that measured the task for its proposer."""
    written: Written = field(default_factory=Written)


def written_values(written: Written) -> tuple[object, ...]:
    """As the last seven columns of a row."""
    versions = json.dumps(list(written.versions))
    told = (written.finish, versions, written.num_tokens, json.dumps(dict(written.components)))
    return (written.prompt_id, written.sample, written.seed, *told)


def written_of(row: sqlite3.Row) -> Written:
    """From the columns of a row."""
    return Written(
        prompt_id=row["prompt_id"],
        sample=row["sample"],
        seed=row["seed"],
        finish=row["finish"],
        versions=tuple((version, num) for version, num in json.loads(row["versions"])),
        num_tokens=row["num_tokens"],
        components=json.loads(row["components"]),
    )


def proposal_row_of(row: sqlite3.Row) -> ProposalRow:
    """A row of `proposals`."""
    return ProposalRow(
        kind=Kind(row["kind"]),
        version=row["version"],
        fate=row["fate"],
        detail=row["detail"],
        text=row["text"],
        reward=row["reward"],
        solve_rate=row["solve_rate"],
        task_id=row["task_id"],
        written=written_of(row),
    )


def attempt_row_of(row: sqlite3.Row) -> AttemptRow:
    """A row of `attempts`."""
    return AttemptRow(
        task_id=row["task_id"],
        verdict=row["verdict"],
        text=row["text"],
        reward=row["reward"],
        is_trained=bool(row["is_trained"]),
        is_measure=bool(row["is_measure"]),
        written=written_of(row),
    )


def prompt_row_of(row: sqlite3.Row) -> PromptRow:
    """A row of `prompts`."""
    return PromptRow(
        role=Role(row["role"]),
        kind=Kind(row["kind"]),
        form=row["form"],
        lead=row["lead"],
        given=row["given"],
        text=row["text"],
    )
