"""Weights on their way from trainer to engine: one directory a version, published by a rename.

What a caller may rely on:

- A version that has its name is whole, whenever the publisher is killed. Everything is on disk
  before the name is, in this order: contents, manifest, names inside, the name in the root.
- A publish runs again after a crash: the same version with the same checksum changes nothing.
  Other bits replace it only on request, and the manifest keeps the checksum they had.
- A publish that fails, on a full disk say, leaves nothing behind and everything else as it was.
- Files are read only once they are published.
- Old versions are deleted, none that a live process leases, and none while a whole newer one is
  missing. Leasing and deleting exclude each other by the root's lock; nothing else waits.

Whatever a kill leaves has another name, and the next publish sweeps it up. A directory that has a
version's name and is not whole (a copy cut short, a file changed) is passed over by readers, which
say so once, and deleted when it is older than a whole version.
"""

import errno
import logging
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from engine.wire.errors import TornVersion, WireError
from engine.wire.files import exclusive, fsync_directory, fsync_file
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

TEMPORARY: Final = re.compile(r"\.(tmp|trash)-v\d+(-\w+)?")
"""Names of what is being written and of what is being deleted."""

_VERSION: Final = re.compile(r"v(\d{6,})")
_WRITE_BITS: Final = 0o222
_FOREIGN_WRITE_BITS: Final = 0o022
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)

log = logging.getLogger(__name__)


def publish_weights(
    root: Path,
    *,
    version: int,
    step: int,
    consumed: Mapping[str, int],
    write: Callable[[Path], Mapping[str, str]],
    keep: int = 2,
    final: bool = False,
    may_replace: bool = False,
) -> Manifest:
    """Publish a version durably and prune old ones down to `keep`; one publisher a root.

    `write(directory)` writes plain files and returns {tensor name: tensor_checksum}; `consumed`
    counts, by ring, the records behind the weights. Publishing a version that is there already is
    a no-op if the tensors agree (`final` may still be raised); if they do not, it replaces the
    version if it `may_replace`, and is a WireError otherwise. So is a disk that is full or fails.
    """
    if version < 0 or keep < 1:
        raise ValueError(f"version must be >= 0 and keep >= 1, got {version} and {keep}")
    with _explained(root, version):
        root.mkdir(mode=0o755, parents=True, exist_ok=True)
        _sweep(root)
        with _staging(root, version) as staging:
            tensors = dict(write(staging))
            manifest = Manifest(
                version=version,
                step=step,
                consumed=dict(consumed),
                files=file_sizes(staging),
                tensors=tensors,
                checksum=combine_checksums(tensors),
                replaces=(),
                created=datetime.now(UTC).isoformat(timespec="milliseconds"),
                final=final,
                path=root / version_name(version),
            )
            published = _put(manifest, staging=staging, may_replace=may_replace)
    _prune(root, keep=keep)
    return published


def latest_version(root: Path) -> Manifest | None:
    """The newest whole version, or None; torn ones are passed over, and logged once.

    Raises WireError if there are versions of another schema.
    """
    for version in reversed(versions(root)):
        try:
            return read_manifest(root / version_name(version))
        except TornVersion as error:
            _say_once(str(error))
        except FileNotFoundError:  # pruned since we listed it: a newer one exists
            return latest_version(root)
    return None


def versions(root: Path) -> tuple[int, ...]:
    """Numbers of the directories with a manifest, ascending; some may be torn."""
    return tuple(v for v in numbered(root) if (root / version_name(v) / MANIFEST).is_file())


def numbered(root: Path) -> tuple[int, ...]:
    """Numbers of all entries that have a version's name, ascending."""
    if not root.is_dir():
        return ()
    found = (version_of(entry.name) for entry in root.iterdir())
    return tuple(sorted(version for version in found if version is not None))


def version_of(name: str) -> int | None:
    """The version whose directory has this name, or None."""
    found = _VERSION.fullmatch(name)
    return int(found[1]) if found and version_name(int(found[1])) == name else None


# -- publishing


@contextmanager
def _explained(root: Path, version: int) -> Iterator[None]:
    """A failure of the disk, in words."""
    try:
        yield
    except OSError as error:
        advice = "see to the disk"
        if error.errno in _FULL:
            free = shutil.disk_usage(root if root.is_dir() else root.parent).free
            advice = f"the disk is full ({free} bytes free): make room"
        raise WireError(
            f"version {version} was not published in {root}: {error}; {advice}, and start the "
            "trainer again; the versions that are there are as they were"
        ) from error


@contextmanager
def _staging(root: Path, version: int) -> Iterator[Path]:
    """A fresh directory; deleted at the end unless it was renamed."""
    staging = root / f".tmp-{version_name(version)}"
    staging.mkdir(mode=0o755)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _put(manifest: Manifest, *, staging: Path, may_replace: bool) -> Manifest:
    try:
        existing = read_manifest(manifest.path)
    except (FileNotFoundError, NotADirectoryError):
        return _install(manifest, staging=staging)
    except TornVersion as error:
        log.warning("version %d takes the place of a torn one: %s", manifest.version, error)
        return _install(manifest, staging=staging)
    if existing.checksum == manifest.checksum:
        return _finish(existing) if manifest.final else existing
    if not may_replace:
        raise WireError(
            f"version {manifest.version} is published with checksum {existing.checksum}, the redo "
            f"gave {manifest.checksum}; the resumed step differs: do not mix two runs in a root"
        )
    log.warning(
        "step %d done again has other bits than before (%s, was %s): replacing version %d",
        manifest.step,
        manifest.checksum,
        existing.checksum,
        manifest.version,
    )
    before = (*existing.replaces, existing.checksum)
    return _install(replace(manifest, replaces=before), staging=staging)


def _install(manifest: Manifest, *, staging: Path) -> Manifest:
    # In this order: contents, manifest, names inside, then the one name that makes it a version.
    _seal(staging)
    write_manifest(manifest, directory=staging)
    for directory, _, _ in os.walk(staging, topdown=False):
        fsync_directory(Path(directory))
    root, old = manifest.path.parent, None
    with exclusive(root):  # whoever leases meanwhile finds the old one or the new one
        if manifest.path.exists():
            old = _set_aside(manifest.path)
        staging.rename(manifest.path)
    fsync_directory(root)
    if old:
        _delete(old)
    return manifest


def _seal(staging: Path) -> None:
    """Sync every file, and take away the right to write it."""
    for entry in staging.rglob("*"):
        mode = entry.lstat().st_mode & 0o7777
        if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
            raise WireError(f"{entry} must be a plain file or a directory; write a copy there")
        entry.chmod(mode & ~(_FOREIGN_WRITE_BITS if entry.is_dir() else _WRITE_BITS))
        if entry.is_file():
            fsync_file(entry)


def _finish(existing: Manifest) -> Manifest:
    """Say that no version follows; never taken back."""
    if not existing.final:
        existing = replace(existing, final=True)
        write_manifest(existing, directory=existing.path)
    return existing


# -- deleting


def _prune(root: Path, *, keep: int) -> None:
    """Delete all but the newest `keep` whole versions, those in use, and what is newer."""
    with exclusive(root):
        whole = [version for version in reversed(versions(root)) if _is_whole(root, version)]
        kept = {*whole[:keep], *leased_versions(root)}
        doomed = [v for v in numbered(root) if whole and v < whole[0] and v not in kept]
        # Renamed first: a kill within rmtree must not leave half a version under its name.
        aside = [_set_aside(root / version_name(version)) for version in doomed]
    for version in set(doomed) - set(whole):
        log.warning("deleted %s: it was torn, and a newer version is whole", version_name(version))
    for entry in aside:
        _delete(entry)


def _is_whole(root: Path, version: int) -> bool:
    try:
        read_manifest(root / version_name(version))
    except (TornVersion, FileNotFoundError) as error:
        _say_once(str(error))
        return False
    return True


def _set_aside(path: Path) -> Path:
    """Take a version's name away from a directory."""
    return path.rename(path.with_name(f".trash-{path.name}-{secrets.token_hex(4)}"))


def _sweep(root: Path) -> None:
    """Delete what a publisher that was killed had begun to write or to delete."""
    for entry in root.iterdir():
        if TEMPORARY.fullmatch(entry.name):
            log.warning("deleting %s: a publisher was killed there", entry)
            _delete(entry)


def _delete(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()


@lru_cache(maxsize=1000)  # readers look five times a second
def _say_once(message: str) -> None:
    log.warning("passed over: %s", message)
