"""What an engine tells the trainer about weights: which it holds, and which it samples from.

A lease keeps a version from being deleted while its holder lives; the holder is named by pid,
start time and boot, so the lease of a killed engine counts for nothing. Leasing and pruning
exclude each other by the lock of the weights directory. An acknowledgement carries a checksum
computed from the engine's *own* tensors.
"""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.wire.errors import WireError
from engine.wire.files import atomic_write, exclusive, load_object
from engine.wire.manifest import MANIFEST, version_name
from engine.wire.process import ProcessIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """The version an engine samples from, and the checksum of the tensors it holds."""

    version: int
    checksum: str


def lease(root: Path, version: int, owner: str) -> None:
    """Keep `version` from being deleted while this process lives, until `release`.

    `owner` is a word, unique among the engines of the run. Raises WireError if the version is
    not (or no longer) there: take the latest one instead.
    """
    with exclusive(root):
        if not (root / version_name(version) / MANIFEST).is_file():
            raise WireError(
                f"cannot lease version {version}: {root} has {_present(root)}; lease the latest one"
            )
        (root / "leases").mkdir(exist_ok=True)
        holder = {"version": version, **asdict(ProcessIdentity.current())}
        atomic_write(_lease_file(root, version, owner), json.dumps(holder).encode())


def release(root: Path, version: int, owner: str) -> None:
    """Give a lease back; nothing happens if there is none."""
    with exclusive(root):
        _lease_file(root, version, owner).unlink(missing_ok=True)


def write_ack(root: Path, version: int, checksum: str) -> None:
    """Say that the engine now samples from `version`, whose tensors in memory have `checksum`."""
    root.mkdir(parents=True, exist_ok=True)
    ack = {"version": version, "checksum": checksum}
    atomic_write(root / "ack.json", json.dumps(ack).encode())


def read_ack(root: Path) -> Ack | None:
    """The engine's last acknowledgement, or None."""
    try:
        fields = load_object(root / "ack.json")
    except FileNotFoundError:
        return None
    match fields:
        case {"version": int(version), "checksum": str(checksum)}:
            return Ack(version=version, checksum=checksum)
    raise WireError(f"{root / 'ack.json'} must hold version and checksum, got {fields}; delete it")


def leased_versions(root: Path) -> set[int]:
    """Versions that live processes hold; sweeps the leases of dead ones. Call it under the lock."""
    leased = set()
    for file in (root / "leases").glob("*.json"):
        match load_object(file):
            case {"version": int(v), "pid": int(pid), "start_ticks": int(start), "boot": int(boot)}:
                if ProcessIdentity(pid=pid, start_ticks=start, boot=boot).is_alive():
                    leased.add(v)
                else:
                    file.unlink()
    return leased


def _present(root: Path) -> list[str]:
    return sorted(manifest.parent.name for manifest in root.glob(f"v*/{MANIFEST}"))


def _lease_file(root: Path, version: int, owner: str) -> Path:
    if not re.fullmatch(r"[\w-]+", owner):
        raise ValueError(f"owner must be a word of letters, digits, - and _, got {owner!r}")
    return root / "leases" / f"{owner}-{version_name(version)}.json"
