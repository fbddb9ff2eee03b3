"""Weights on their way from trainer to engine: one directory a version, published by a rename.

`weights/v000012/` holds a model in the Hugging Face layout and `manifest.json`, which is written
last. Everything is on disk before the rename, so a version that has its name is whole; whatever
a kill leaves behind has another name and is swept up by the next publish.

A publish runs again after a crash: the same version with the same checksum is a no-op, with
another checksum an error, for then the redone step was not the same step.

An engine that loads a version leases it, and acknowledges it with a checksum of *its own*
tensors. The trainer deletes old versions, but none that a live process leases. Leasing and
deleting exclude each other by the directory's lock; nothing else waits for anybody.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import xxhash

from engine.wire.errors import WireError
from engine.wire.files import atomic_write, exclusive, fsync_directory
from engine.wire.process import ProcessIdentity

MANIFEST: Final = "manifest.json"
_SCHEMA: Final = 1
_DOOMED: Final = re.compile(r"\.(tmp|trash)-v\d+")
_VERSION: Final = re.compile(r"v(\d{6,})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What one published version is."""

    version: int
    """How many publishes the policy has had."""
    step: int
    """Optimizer steps behind these weights."""
    consumed_seq: int
    """Records of the ring behind these weights, exclusive."""
    files: Mapping[str, int]
    """Size in bytes by path within the directory."""
    tensors: Mapping[str, str]
    """xxh3 (128 bits, hex) by tensor name."""
    checksum: str
    """`combine_checksums(tensors)`."""
    created: str
    """When, ISO 8601, UTC."""
    final: bool
    """No version follows in this run."""
    path: Path
    """The version's directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """The version an engine samples from, and the checksum of the tensors it holds."""

    version: int
    checksum: str


def tensor_checksum(buffer: bytes | bytearray | memoryview) -> str:
    """xxh3 of a tensor's raw bytes, C order, 32 hex digits."""
    return xxhash.xxh3_128_hexdigest(buffer)


def combine_checksums(tensors: Mapping[str, str]) -> str:
    """One checksum for all tensors; depends on names and contents, not on the order."""
    lines = (f"{name}\0{tensors[name]}\n" for name in sorted(tensors))
    return xxhash.xxh3_128_hexdigest("".join(lines).encode())


def publish_weights(
    root: Path,
    *,
    version: int,
    step: int,
    consumed_seq: int,
    write: Callable[[Path], Mapping[str, str]],
    keep: int = 2,
    final: bool = False,
) -> Manifest:
    """Publish a version durably and prune old ones down to `keep`; one publisher a root.

    `write(directory)` writes the files and returns {tensor name: tensor_checksum}. Publishing a
    version that is there already is a no-op if the tensors agree (`final` may still be raised),
    and a WireError if they do not.
    """
    if version < 0 or keep < 1:
        raise ValueError(f"version must be >= 0 and keep >= 1, got {version} and {keep}")
    root.mkdir(parents=True, exist_ok=True)
    _sweep(root)
    staging = root / f".tmp-{_name(version)}"
    staging.mkdir()
    tensors = dict(write(staging))
    manifest = Manifest(
        version=version,
        step=step,
        consumed_seq=consumed_seq,
        files=_sizes(staging),
        tensors=tensors,
        checksum=combine_checksums(tensors),
        created=datetime.now(UTC).isoformat(timespec="milliseconds"),
        final=final,
        path=root / _name(version),
    )
    if (manifest.path / MANIFEST).exists():
        published = _republish(manifest)
    else:
        published = _install(manifest, staging=staging)
    _prune(root, keep=keep)
    _sweep(root)
    return published


def latest_version(root: Path) -> Manifest | None:
    """The newest published version, or None. Directories without a manifest are not versions."""
    for version in reversed(versions(root)):
        try:
            return read_manifest(root / _name(version))
        except FileNotFoundError:  # pruned since we listed it: a newer one exists
            return latest_version(root)
    return None


def versions(root: Path) -> tuple[int, ...]:
    """Numbers of the published versions, ascending."""
    if not root.is_dir():
        return ()
    names = (_VERSION.fullmatch(entry.name) for entry in root.iterdir())
    found = (int(name[1]) for name in names if name and (root / name[0] / MANIFEST).is_file())
    return tuple(sorted(found))


def read_manifest(directory: Path) -> Manifest:
    """The manifest of one version directory.

    Raises FileNotFoundError without one, WireError if it is malformed or a file it lists has not
    the size it states. Contents are not hashed: the loader does that with the tensors in hand.
    """
    fields = _load(directory / MANIFEST)
    try:
        if fields.pop("schema") != _SCHEMA:
            raise ValueError(f"schema must be {_SCHEMA}")
        manifest = Manifest(**fields, path=directory)  # type: ignore[arg-type]  # checked below
        _check_types(manifest)
    except (KeyError, TypeError, ValueError) as error:
        raise WireError(
            f"{directory / MANIFEST} is not a manifest of this kelvin: {error}; publish the "
            "version again or delete the directory"
        ) from error
    seen = _sizes(directory)
    if seen != manifest.files:
        (directory / MANIFEST).stat()  # raises FileNotFoundError if it was pruned under our feet
        raise WireError(
            f"{directory} must hold {dict(manifest.files)}, has {seen}; a copy was cut short: "
            "delete the directory"
        )
    return manifest


def lease(root: Path, version: int, owner: str) -> None:
    """Keep `version` from being deleted while this process lives, until `release`.

    `owner` is a word, unique among the engines of the run. Raises WireError if the version is
    not (or no longer) there: take the latest one instead.
    """
    with exclusive(root):
        if not (root / _name(version) / MANIFEST).is_file():
            raise WireError(
                f"cannot lease version {version}: {root} has {list(versions(root))}; "
                "lease the latest one"
            )
        (root / "leases").mkdir(exist_ok=True)
        holder = {"version": version, **asdict(ProcessIdentity.current())}
        atomic_write(_lease_file(root, version, owner), json.dumps(holder).encode())


def release(root: Path, version: int, owner: str) -> None:
    """Give a lease back; nothing happens if there is none."""
    _lease_file(root, version, owner).unlink(missing_ok=True)


def write_ack(root: Path, version: int, checksum: str) -> None:
    """Say that the engine now samples from `version`, whose tensors in memory have `checksum`."""
    root.mkdir(parents=True, exist_ok=True)
    ack = {"version": version, "checksum": checksum}
    atomic_write(root / "ack.json", json.dumps(ack).encode())


def read_ack(root: Path) -> Ack | None:
    """The engine's last acknowledgement, or None."""
    try:
        fields = _load(root / "ack.json")
    except FileNotFoundError:
        return None
    match fields:
        case {"version": int(version), "checksum": str(checksum)}:
            return Ack(version=version, checksum=checksum)
    raise WireError(f"{root / 'ack.json'} must hold version and checksum, got {fields}; delete it")


def _install(manifest: Manifest, *, staging: Path) -> Manifest:
    # In this order: contents, manifest, names inside, then the one name that makes it a version.
    for file in manifest.files:
        _fsync_file(staging / file)
    _write_manifest(manifest, directory=staging)
    for directory, _, _ in os.walk(staging, topdown=False):
        fsync_directory(Path(directory))
    if manifest.path.exists():  # a directory of that name without a manifest: a torn copy
        shutil.rmtree(manifest.path)
    staging.rename(manifest.path)
    fsync_directory(manifest.path.parent)
    return manifest


def _republish(manifest: Manifest) -> Manifest:
    existing = read_manifest(manifest.path)
    if existing.checksum != manifest.checksum:
        raise WireError(
            f"version {manifest.version} is published with checksum {existing.checksum}, the redo "
            f"gave {manifest.checksum}; the resumed step differs: do not mix two runs in a root"
        )
    if manifest.final and not existing.final:
        existing = replace(existing, final=True)
        _write_manifest(existing, directory=manifest.path)
    return existing


def _prune(root: Path, *, keep: int) -> None:
    with exclusive(root):
        leased = _leased_versions(root)
        for version in versions(root)[:-keep]:
            if version not in leased:
                # Renamed first: a kill within rmtree must not leave half a version under its name.
                (root / _name(version)).rename(root / f".trash-{_name(version)}")


def _sweep(root: Path) -> None:
    for entry in root.iterdir():
        if _DOOMED.fullmatch(entry.name):
            shutil.rmtree(entry)


def _leased_versions(root: Path) -> set[int]:
    leased = set()
    for file in (root / "leases").glob("*.json"):
        match _load(file):
            case {"version": int(v), "pid": int(pid), "start_ticks": int(start), "boot": int(boot)}:
                if ProcessIdentity(pid=pid, start_ticks=start, boot=boot).is_alive():
                    leased.add(v)
                else:
                    file.unlink(missing_ok=True)
    return leased


def _lease_file(root: Path, version: int, owner: str) -> Path:
    if not re.fullmatch(r"[\w-]+", owner):
        raise ValueError(f"owner must be a word of letters, digits, - and _, got {owner!r}")
    return root / "leases" / f"{owner}-{_name(version)}.json"


def _write_manifest(manifest: Manifest, *, directory: Path) -> None:
    fields = {"schema": _SCHEMA, **asdict(manifest)}
    del fields["path"]
    atomic_write(directory / MANIFEST, json.dumps(fields, indent=1).encode())


def _check_types(manifest: Manifest) -> None:
    numbers = (manifest.version, manifest.step, manifest.consumed_seq, *manifest.files.values())
    words = (manifest.checksum, manifest.created, *manifest.tensors.values())
    if not all(type(number) is int for number in numbers):
        raise TypeError("version, step, consumed_seq and sizes must be integers")
    if not all(type(word) is str for word in words) or type(manifest.final) is not bool:
        raise TypeError("checksums and created must be text, final true or false")
    if combine_checksums(manifest.tensors) != manifest.checksum:
        raise ValueError("checksum is not that of the tensors listed")


def _sizes(directory: Path) -> dict[str, int]:
    files = (file for file in sorted(directory.rglob("*")) if file.is_file())
    sizes = {file.relative_to(directory).as_posix(): file.stat().st_size for file in files}
    sizes.pop(MANIFEST, None)
    return sizes


def _load(path: Path) -> dict[str, object]:
    try:
        loaded: object = json.loads(path.read_bytes())
    except ValueError as error:
        raise WireError(f"{path} must be JSON: {error}; delete it") from error
    if not isinstance(loaded, dict):
        raise WireError(f"{path} must be a JSON object, got {type(loaded).__name__}; delete it")
    return loaded


def _fsync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _name(version: int) -> str:
    return f"v{version:06d}"
