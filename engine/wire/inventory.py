"""What is in a weights directory, for people and tools: versions, who holds them, and the rest.

A report is a picture of one moment, taken without the lock and without changing anything; it is
safe on a live run. What has a version's name and is none comes with the reason.
"""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.wire.acks import Ack, read_acks
from engine.wire.errors import WireError
from engine.wire.leases import Lease, read_leases
from engine.wire.manifest import MANIFEST, read_manifest
from engine.wire.weights import TEMPORARY, version_of

_OURS = frozenset({"leases", "acks"})


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionReport:
    """One whole version."""

    version: int
    step: int
    checksum: str
    size_bytes: int
    age_s: float
    """Since it was published."""
    final: bool
    leases: tuple[Lease, ...]
    """Who keeps it from being deleted; dead holders, which do not, included."""
    acks: tuple[Ack, ...]
    """Who samples from it, or did until its process ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayReport:
    """An entry that is no version."""

    name: str
    reason: str
    size_bytes: int
    age_s: float
    """Since it was last changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsReport:
    """A weights directory at one moment."""

    versions: tuple[VersionReport, ...]
    """Oldest first."""
    strays: tuple[StrayReport, ...]
    """Torn versions, leftovers of kills, and what is not ours; by name."""
    leases: tuple[Lease, ...]
    """All of them, whether or not their version is there."""
    acks: tuple[Ack, ...]
    """Of every engine there was."""


def weights_report(root: Path) -> WeightsReport:
    """Take stock of `root`; empty if there is no such directory. Raises WireError for bad acks."""
    leases, acks = read_leases(root), read_acks(root)
    versions: list[VersionReport] = []
    strays: list[StrayReport | None] = []
    for entry in sorted(root.iterdir()) if root.is_dir() else ():
        if version_of(entry.name) is not None:
            found = _version(entry, leases=leases, acks=acks)
            if isinstance(found, str):
                strays.append(_stray(entry, found))
            else:
                versions.append(found)
        elif entry.name not in _OURS:
            strays.append(_stray(entry, _reason(entry)))
    return WeightsReport(
        versions=tuple(sorted(versions, key=lambda each: each.version)),
        strays=tuple(stray for stray in strays if stray is not None),
        leases=leases,
        acks=acks,
    )


def _version(
    entry: Path, *, leases: tuple[Lease, ...], acks: tuple[Ack, ...]
) -> VersionReport | str:
    """The version in a directory, or why there is none."""
    try:
        manifest = read_manifest(entry)
        age_s = _age_s(entry / MANIFEST)
    except (FileNotFoundError, NotADirectoryError):
        return f"it has no {MANIFEST}"
    except WireError as error:
        return str(error)
    return VersionReport(
        version=manifest.version,
        step=manifest.step,
        checksum=manifest.checksum,
        size_bytes=sum(manifest.files.values()),
        age_s=age_s,
        final=manifest.final,
        leases=tuple(each for each in leases if each.version == manifest.version),
        acks=tuple(each for each in acks if each.version == manifest.version),
    )


def _reason(entry: Path) -> str:
    kind = TEMPORARY.fullmatch(entry.name)
    if kind is None:
        return "it has not the name of a version"
    if kind[1] == "tmp":
        return "it is being written, or its publisher was killed; the next publish deletes it"
    return "it is being deleted, or whoever did was killed; the next publish goes on"


def _stray(entry: Path, reason: str) -> StrayReport | None:
    """The entry as it is; None if it was deleted while we looked."""
    with suppress(FileNotFoundError):
        return StrayReport(
            name=entry.name, reason=reason, size_bytes=_size_bytes(entry), age_s=_age_s(entry)
        )
    return None


def _size_bytes(entry: Path) -> int:
    if not entry.is_dir():
        return entry.lstat().st_size
    size = 0
    for directory, _, files in os.walk(entry):  # unlike rglob it bears a deletion meanwhile
        for file in files:
            with suppress(FileNotFoundError):
                size += (Path(directory) / file).lstat().st_size
    return size


def _age_s(path: Path) -> float:
    return max(0.0, time.time() - path.lstat().st_mtime)
