"""Versions in use: a leased version is not deleted while its holder lives.

The holder is named by pid, start time and boot, so the lease of a killed engine counts for
nothing, while that of one that hangs, or is stopped, counts. Leasing and deleting exclude each
other by the lock of the weights directory: a lease that was granted names a version that is there
and stays there. A lease that cannot be read is held against deletion, for nobody can tell.
"""

import json
import logging
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from engine.wire.acks import engine_name
from engine.wire.errors import WireError
from engine.wire.files import atomic_write, exclusive, load_object
from engine.wire.manifest import MANIFEST, version_name
from engine.wire.process import ProcessIdentity

_LEASE: Final = re.compile(r"([\w-]+)-v(\d{6,})", re.ASCII)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One engine's hold on one version."""

    owner: str
    """The engine's name, unique in its run."""
    version: int
    process: ProcessIdentity | None
    """The holder; None if the file is damaged."""
    is_alive: bool
    """Whether it counted when it was read: the holder lived, or could not be told."""


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
        (root / "leases").mkdir(mode=0o755, exist_ok=True)
        holder = json.dumps(asdict(ProcessIdentity.current())).encode()
        atomic_write(_lease_file(root, version, owner), holder)


def release(root: Path, version: int, owner: str) -> None:
    """Give a lease back; nothing happens if there is none."""
    with exclusive(root):
        _lease_file(root, version, owner).unlink(missing_ok=True)


def read_leases(root: Path) -> tuple[Lease, ...]:
    """All leases there are, by name, those of dead processes included."""
    found = (_read_lease(file) for file in sorted((root / "leases").glob("*.json")))
    return tuple(each for each in found if each is not None)


def leased_versions(root: Path) -> set[int]:
    """Versions that live processes hold; sweeps the leases of dead ones. Call it under the lock."""
    leased = set()
    for each in read_leases(root):
        if each.is_alive:
            leased.add(each.version)
        else:
            _lease_file(root, each.version, each.owner).unlink(missing_ok=True)
        if each.process is None:
            log.warning(
                "%s is damaged, so version %d is kept; delete the file if no engine of that "
                "name runs",
                _lease_file(root, each.version, each.owner),
                each.version,
            )
    return leased


def _read_lease(file: Path) -> Lease | None:
    """The lease in a file; None if it is none, or was given back since it was listed."""
    name = _LEASE.fullmatch(file.stem)
    if name is None:
        return None
    try:
        process = _holder(load_object(file))
    except FileNotFoundError:
        return None
    except WireError:
        process = None
    return Lease(
        owner=name[1],
        version=int(name[2]),
        process=process,
        is_alive=process is None or process.is_alive(),
    )


def _holder(fields: dict[str, object]) -> ProcessIdentity | None:
    match fields:
        case {"pid": int(pid), "start_ticks": int(start), "boot": int(boot)}:
            return ProcessIdentity(pid=pid, start_ticks=start, boot=boot)
    return None


def _present(root: Path) -> list[str]:
    return sorted(manifest.parent.name for manifest in root.glob(f"v*/{MANIFEST}"))


def _lease_file(root: Path, version: int, owner: str) -> Path:
    return root / "leases" / f"{engine_name(owner)}-{version_name(version)}.json"
