"""One published version of the weights: what is in its directory, with sizes and checksums.

Checksums are of the tensors' bytes, not of files: the engine can compute the same ones from the
tensors it holds and so prove that it samples from what the trainer wrote.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from engine.wire.checksum import hex_digest
from engine.wire.errors import TornVersion, WireError
from engine.wire.files import atomic_write, load_object

MANIFEST: Final = "manifest.json"
MANIFEST_SCHEMA: Final = 2
"""2: the records consumed are counted for each ring; 1 knew a single ring."""
_BLAKE2B: Final = "b2-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What one published version is."""

    version: int
    """How many publishes the policy has had."""
    step: int
    """Optimizer steps behind these weights."""
    consumed: Mapping[str, int]
    """Records behind these weights, exclusive, by the name of their ring."""
    files: Mapping[str, int]
    """Size in bytes by path within the directory."""
    tensors: Mapping[str, str]
    """`tensor_checksum` by tensor name."""
    checksum: str
    """`combine_checksums(tensors)`."""
    replaces: tuple[str, ...]
    """Checksums that this version had before its step, done again, gave other bits."""
    created: str
    """When, ISO 8601, UTC."""
    final: bool
    """No version follows in this run."""
    path: Path
    """The version's directory."""


def version_name(version: int) -> str:
    """The name of a version's directory."""
    return f"v{version:06d}"


def tensor_checksum(buffer: bytes | bytearray | memoryview) -> str:
    """xxh3 of a tensor's raw bytes, C order, 32 hex digits."""
    return hex_digest(buffer)


def combine_checksums(tensors: Mapping[str, str]) -> str:
    """One checksum for all tensors; depends on names and contents, not on the order."""
    lines = (f"{name}\0{tensors[name]}\n" for name in sorted(tensors))
    return hex_digest("".join(lines).encode())


def read_manifest(directory: Path) -> Manifest:
    """The manifest of one version directory.

    Raises FileNotFoundError without one, TornVersion if it is damaged or a file has not the size
    that it states, WireError if it is of another schema. Contents are not hashed: the loader does
    that with the tensors in hand.
    """
    manifest = _parse(directory)
    seen = file_sizes(directory)
    if seen != manifest.files:
        (directory / MANIFEST).stat()  # raises FileNotFoundError if it was pruned under our feet
        raise TornVersion(
            f"{directory} is not whole: {_difference(manifest.files, seen)}; a copy was cut short "
            "or the files were changed: delete the directory"
        )
    return manifest


def write_manifest(manifest: Manifest, *, directory: Path) -> None:
    """Write it into `directory`, atomically and durably, to be read only."""
    fields = {"schema": MANIFEST_SCHEMA, **asdict(manifest)}
    del fields["path"]
    atomic_write(directory / MANIFEST, json.dumps(fields, indent=1).encode(), mode=0o444)


def file_sizes(directory: Path) -> dict[str, int]:
    """Bytes of each file below `directory`, the manifest and hidden files excepted."""
    # Hidden: a kill while the manifest is replaced leaves its temporary behind.
    entries = (entry for entry in sorted(directory.rglob("*")) if not entry.name.startswith("."))
    files = (entry for entry in entries if entry.is_file())
    sizes = {file.relative_to(directory).as_posix(): file.stat().st_size for file in files}
    sizes.pop(MANIFEST, None)
    return sizes


def _parse(directory: Path) -> Manifest:
    path = directory / MANIFEST
    try:
        fields = load_object(path)
    except WireError as error:
        raise TornVersion(str(error)) from error
    schema = fields.pop("schema", None)
    if type(schema) is int and schema != MANIFEST_SCHEMA:
        raise WireError(
            f"{path} must have schema {MANIFEST_SCHEMA}, has {schema}: another kelvin has "
            "published these weights; go on with that one, or start a new run"
        )
    try:
        if type(schema) is not int:
            raise ValueError(f"schema must be {MANIFEST_SCHEMA}")
        manifest = Manifest(**fields, path=directory)  # type: ignore[arg-type]  # checked below
        manifest = replace(manifest, replaces=tuple(manifest.replaces))
        _check_types(manifest)
        _check_hash(manifest)
        _check_content(manifest)
    except (AttributeError, TypeError, ValueError) as error:
        raise TornVersion(
            f"{path} is not a manifest of this kelvin: {error}; publish the version again or "
            "delete the directory"
        ) from error
    return manifest


def _check_types(manifest: Manifest) -> None:
    counts = (*manifest.consumed.values(), *manifest.files.values())
    numbers = (manifest.version, manifest.step, *counts)
    words = (manifest.checksum, manifest.created, *manifest.tensors.values(), *manifest.replaces)
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise TypeError("version, step, consumed and sizes must be whole numbers, 0 or more")
    if not all(type(word) is str for word in words) or type(manifest.final) is not bool:
        raise TypeError("checksums and created must be text, final true or false")


def _check_hash(manifest: Manifest) -> None:
    """Both ends must have xxhash, or neither: else every checksum differs, and nothing is torn."""
    own = combine_checksums({})
    if manifest.checksum.startswith(_BLAKE2B) != own.startswith(_BLAKE2B):
        raise WireError(
            f"{manifest.path} was published by a trainer {_with_xxhash(manifest.checksum)}, this "
            f"process is {_with_xxhash(own)}; install it for engine and trainer alike, and delete "
            "the versions that were published without"
        )


def _check_content(manifest: Manifest) -> None:
    if combine_checksums(manifest.tensors) != manifest.checksum:
        raise ValueError("checksum is not that of the tensors listed")
    if version_name(manifest.version) != manifest.path.name:
        raise ValueError(f"it is that of version {manifest.version}")


def _with_xxhash(checksum: str) -> str:
    return "without xxhash" if checksum.startswith(_BLAKE2B) else "with xxhash"


def _difference(expected: Mapping[str, int], seen: Mapping[str, int]) -> str:
    """The first files that differ, in words."""
    names = sorted(name for name in {*expected, *seen} if expected.get(name) != seen.get(name))
    words = [
        f"{name} should be {_size(expected.get(name))}, is {_size(seen.get(name))}"
        for name in names[:3]
    ]
    return ", ".join(words) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _size(size: int | None) -> str:
    return "absent" if size is None else f"{size} bytes long"
