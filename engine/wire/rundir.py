"""The run directory: where the two processes meet, and the only address either is given.

    runs/NAME/
      run.json                  who this run is: id, resolved config, versions; written once
      model                     link to the initial weights, renewed by the engine
      queue/ring-0.bin          groups, engine to trainer; ring-1.bin of a second engine, ...
      journal/ring-0/           those groups, as the trainer popped them
      quarantine/               records that were no group, and why
      weights/v000012/          weights, trainer to engine
      checkpoints/              the trainer's own state
      tasks.db                  the engine's own state
      steps.jsonl               one row an optimizer step
      metrics/{engine,trainer}.jsonl, logs/{engine,trainer}.log, report.html
      locks/{engine,trainer}    held while that process lives

Either process may come first. A lock dies with its process, so nothing has to be cleaned up.
"""

import fcntl
import json
import os
import platform
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final

from engine.wire.errors import WireError
from engine.wire.files import atomic_write, exclusive

RUN_SCHEMA: Final = 1
"""Version of run.json and of the directory's layout."""

_DISTRIBUTIONS: Final = (
    "kelvin-rl",
    "numpy",
    "msgpack",
    "xxhash",
    "torch",
    "transformers",
    "sglang",
)
_POLL_S: Final = 0.05
_RING: Final = re.compile(r"ring-(\d+)\.bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The content of run.json."""

    run_id: bytes
    """16 random bytes; a ring carries them too, so rings of two runs cannot be mixed up."""
    config: Mapping[str, object]
    """The resolved configuration, as JSON gives it back."""
    versions: Mapping[str, str]
    """Python and the distributions that were installed."""
    created: str
    """When, ISO 8601, UTC."""


@dataclass(frozen=True, slots=True)
class RunDir:
    """Names of the things in a run directory; touches the disk only in its methods."""

    path: Path

    @property
    def run_json(self) -> Path:
        return self.path / "run.json"

    @property
    def ring(self) -> Path:
        """The ring of the first engine."""
        return self.path / "queue" / "ring-0.bin"

    def rings(self) -> list[Path]:
        """The rings that exist, one an engine, in the order of their numbers."""
        found = [path for path in (self.path / "queue").glob("*") if _RING.fullmatch(path.name)]
        return sorted(found, key=lambda path: int(path.stem.removeprefix("ring-")))

    @property
    def journal(self) -> Path:
        """What the trainer has popped: one directory a ring, named like it."""
        return self.path / "journal"

    @property
    def quarantine(self) -> Path:
        """Records that were no group; made when there is the first."""
        return self.path / "quarantine"

    @property
    def model(self) -> Path:
        """Link to the initial weights: where they lie may change, what they are may not."""
        return self.path / "model"

    @property
    def weights(self) -> Path:
        return self.path / "weights"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def tasks_db(self) -> Path:
        return self.path / "tasks.db"

    @property
    def engine_metrics(self) -> Path:
        return self.path / "metrics" / "engine.jsonl"

    @property
    def trainer_metrics(self) -> Path:
        return self.path / "metrics" / "trainer.jsonl"

    @property
    def steps_ledger(self) -> Path:
        return self.path / "steps.jsonl"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def engine_log(self) -> Path:
        return self.path / "logs" / "engine.log"

    @property
    def sglang_log(self) -> Path:
        """What a SGLang server that the engine started says."""
        return self.path / "sglang.log"

    @property
    def trainer_log(self) -> Path:
        return self.path / "logs" / "trainer.log"

    def create(self) -> "RunDir":
        """Make the directory and its parts; harmless if they exist. Returns self."""
        for part in ("queue", "weights", "checkpoints", "metrics", "logs", "locks"):
            (self.path / part).mkdir(parents=True, exist_ok=True)
        return self

    @contextmanager
    def lock(self, role: str) -> Iterator[None]:
        """Be the only `role` on this run. Raises WireError, naming the holder, if another is."""
        (self.path / "locks").mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self.path / "locks" / role, flags, 0o644)
        try:
            _take(descriptor, role=role, path=self.path)
            yield
        finally:
            os.close(descriptor)

    def holder(self, role: str) -> int | None:
        """Pid of the process that is `role` on this run, or None. Stale as soon as it is known."""
        try:
            descriptor = os.open(self.path / "locks" / role, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(os.pread(descriptor, 32, 0).strip() or b"0")
        else:
            return None
        finally:
            os.close(descriptor)

    def write_run(self, config: Mapping[str, object]) -> Run:
        """Found the run, or rejoin it.

        Raises WireError, naming the keys, if the run was founded with another configuration.
        """
        self.create()
        plain: Mapping[str, object] = json.loads(json.dumps(config))
        with exclusive(self.path):  # engine and trainer may both be the first
            if not self.run_json.exists():
                atomic_write(self.run_json, _founding(plain))
        run = self.read_run()
        if run.config != plain:
            raise WireError(
                f"{self.run_json} was founded with another configuration: "
                f"{'; '.join(_differences(run.config, plain))}; undo the change or start a new run"
            )
        return run

    def read_run(self) -> Run:
        """The run's identity. FileNotFoundError before it is founded, WireError if unreadable."""
        try:
            fields: object = json.loads(self.run_json.read_bytes())
        except ValueError as error:
            raise WireError(f"{self.run_json} must be JSON: {error}; restore it") from error
        match fields:
            case {
                "schema": int(schema),
                "run_id": str(run_id),
                "created": str(created),
                "versions": dict(versions),
                "config": dict(config),
            } if schema == RUN_SCHEMA:
                return Run(
                    run_id=bytes.fromhex(run_id), config=config, versions=versions, created=created
                )
            case {"schema": schema} if schema != RUN_SCHEMA:
                seen = f"schema {schema}"
            case _:
                seen = "missing or ill-typed keys"
        raise WireError(
            f"{self.run_json} must have schema {RUN_SCHEMA} with run_id, created, versions and "
            f"config, has {seen}; use the kelvin that made it, or start a new run"
        )

    def wait_for_run(self, timeout_s: float) -> Run:
        """The run's identity as soon as the other process has founded it. Blocks; polls."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return self.read_run()
            except FileNotFoundError:
                pass
            if time.monotonic() >= deadline:
                raise WireError(
                    f"{self.run_json} did not appear within {timeout_s:g} s; is the engine "
                    "started on this run directory?"
                )
            time.sleep(_POLL_S)


def _take(descriptor: int, *, role: str, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        raise WireError(
            f"{path} already has a running {role}, pid {holder}; stop it or use another run"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def _founding(config: Mapping[str, object]) -> bytes:
    fields = {
        "schema": RUN_SCHEMA,
        "run_id": secrets.token_hex(16),
        "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "versions": {"python": platform.python_version(), **dict(_installed())},
        "config": config,
    }
    return json.dumps(fields, indent=1).encode()


def _installed() -> Iterator[tuple[str, str]]:
    for name in _DISTRIBUTIONS:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue


def _differences(old: object, new: object, *, key: str = "") -> list[str]:
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return [] if old == new else [f"{key} was {old!r}, is {new!r}"]
    found = []
    for name in sorted({*old, *new}):
        found += _differences(old.get(name), new.get(name), key=f"{key}.{name}".lstrip("."))
    return found
