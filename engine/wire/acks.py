"""What each engine says it samples from: one file an engine, replaced whole at every load.

An acknowledgement is written when the weights are in use, and its checksum is computed from the
engine's *own* tensors: it says what the engine holds, right or wrong, so that the trainer can
compare. Only its engine writes it; whoever reads it is told whether that process lives.
"""

import json
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.wire.errors import WireError
from engine.wire.files import atomic_write, load_object
from engine.wire.process import ProcessIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """The version that an engine samples from."""

    owner: str
    """The engine's name, unique in its run."""
    version: int
    checksum: str
    """Of the tensors that the engine holds, combined as in the manifest."""
    process: ProcessIdentity
    time: float
    """When it was written, seconds since 1970."""
    is_alive: bool
    """Whether that process lived when this was read."""


def write_ack(root: Path, version: int, *, checksum: str, owner: str) -> None:
    """Say that this process now samples from `version`, its tensors having `checksum`."""
    directory = root / "acks"
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    ack = {
        "version": version,
        "checksum": checksum,
        "time": time.time(),
        **asdict(ProcessIdentity.current()),
    }
    atomic_write(directory / f"{engine_name(owner)}.json", json.dumps(ack).encode())


def read_acks(root: Path) -> tuple[Ack, ...]:
    """The last acknowledgement of every engine there was, by name; raises WireError if damaged."""
    return tuple(_read_ack(file) for file in sorted((root / "acks").glob("*.json")))


def engine_name(owner: str) -> str:
    """`owner` if it can name an engine's files; ValueError otherwise."""
    if not re.fullmatch(r"[\w-]+", owner, re.ASCII):
        raise ValueError(f"owner must be a word of letters, digits, - and _, got {owner!r}")
    return owner


def _read_ack(file: Path) -> Ack:
    match load_object(file):
        case {
            "version": int(version),
            "checksum": str(checksum),
            "time": int() | float() as written,
            "pid": int(pid),
            "start_ticks": int(start),
            "boot": int(boot),
        }:
            process = ProcessIdentity(pid=pid, start_ticks=start, boot=boot)
            return Ack(
                owner=file.stem,
                version=version,
                checksum=checksum,
                process=process,
                time=float(written),
                is_alive=process.is_alive(),
            )
    raise WireError(
        f"{file} must hold version, checksum, time, pid, start_ticks and boot; delete it: the "
        "engine writes it again with the next version"
    )
