"""One published version of the weights: what is in its directory, with sizes and checksums.

Checksums are of the tensors' bytes, not of files: the engine can compute the same ones from the
tensors it holds and so prove that it samples from what the trainer wrote.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import xxhash

from engine.wire.errors import WireError
from engine.wire.files import atomic_write, load_object

MANIFEST: Final = "manifest.json"
_SCHEMA: Final = 1


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


def version_name(version: int) -> str:
    """The name of a version's directory."""
    return f"v{version:06d}"


def tensor_checksum(buffer: bytes | bytearray | memoryview) -> str:
    """xxh3 of a tensor's raw bytes, C order, 32 hex digits."""
    return xxhash.xxh3_128_hexdigest(buffer)


def combine_checksums(tensors: Mapping[str, str]) -> str:
    """One checksum for all tensors; depends on names and contents, not on the order."""
    lines = (f"{name}\0{tensors[name]}\n" for name in sorted(tensors))
    return xxhash.xxh3_128_hexdigest("".join(lines).encode())


def read_manifest(directory: Path) -> Manifest:
    """The manifest of one version directory.

    Raises FileNotFoundError without one, WireError if it is malformed or a file it lists has not
    the size it states. Contents are not hashed: the loader does that with the tensors in hand.
    """
    fields = load_object(directory / MANIFEST)
    try:
        if fields.pop("schema") != _SCHEMA:
            raise ValueError(f"schema must be {_SCHEMA}")
        manifest = Manifest(**fields, path=directory)  # type: ignore[arg-type]  # checked below
        _check_types(manifest)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise WireError(
            f"{directory / MANIFEST} is not a manifest of this kelvin: {error}; publish the "
            "version again or delete the directory"
        ) from error
    seen = file_sizes(directory)
    if seen != manifest.files:
        (directory / MANIFEST).stat()  # raises FileNotFoundError if it was pruned under our feet
        raise WireError(
            f"{directory} must hold {dict(manifest.files)}, has {seen}; a copy was cut short: "
            "delete the directory"
        )
    return manifest


def write_manifest(manifest: Manifest, *, directory: Path) -> None:
    """Write it into `directory`, atomically and durably."""
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


def file_sizes(directory: Path) -> dict[str, int]:
    """Bytes of each file below `directory`, the manifest and hidden files excepted."""
    # Hidden: a kill while the manifest is replaced leaves its temporary behind.
    entries = (entry for entry in sorted(directory.rglob("*")) if not entry.name.startswith("."))
    files = (entry for entry in entries if entry.is_file())
    sizes = {file.relative_to(directory).as_posix(): file.stat().st_size for file in files}
    sizes.pop(MANIFEST, None)
    return sizes
