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

import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from engine.wire.errors import WireError
from engine.wire.files import exclusive, fsync_directory
from engine.wire.leases import leased_versions
from engine.wire.manifest import (
    MANIFEST,
    Manifest,
    combine_checksums,
    file_sizes,
    read_manifest,
    version_name,
    write_manifest,
)

_DOOMED: Final = re.compile(r"\.(tmp|trash)-v\d+")
_VERSION: Final = re.compile(r"v(\d{6,})")


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
    staging = root / f".tmp-{version_name(version)}"
    staging.mkdir()
    tensors = dict(write(staging))
    manifest = Manifest(
        version=version,
        step=step,
        consumed_seq=consumed_seq,
        files=file_sizes(staging),
        tensors=tensors,
        checksum=combine_checksums(tensors),
        created=datetime.now(UTC).isoformat(timespec="milliseconds"),
        final=final,
        path=root / version_name(version),
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
            return read_manifest(root / version_name(version))
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


def _install(manifest: Manifest, *, staging: Path) -> Manifest:
    # In this order: contents, manifest, names inside, then the one name that makes it a version.
    for file in manifest.files:
        _fsync_file(staging / file)
    write_manifest(manifest, directory=staging)
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
        write_manifest(existing, directory=manifest.path)
    return existing


def _prune(root: Path, *, keep: int) -> None:
    with exclusive(root):
        leased = leased_versions(root)
        for version in versions(root)[:-keep]:
            if version not in leased:
                # Renamed first: a kill within rmtree must not leave half a version under its name.
                (root / version_name(version)).rename(root / f".trash-{version_name(version)}")


def _sweep(root: Path) -> None:
    for entry in root.iterdir():
        if _DOOMED.fullmatch(entry.name):
            shutil.rmtree(entry)


def _fsync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
