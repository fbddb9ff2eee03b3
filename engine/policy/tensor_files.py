"""The tensors of safetensors files, read beside whatever is in use and verified there.

Files are read into private memory and never mapped: what is verified is what is used, whatever
becomes of the file meanwhile, a file that is cut short is an error and not a bus error, and
nothing that a policy does to its tensors can reach the disk. The price is one model's worth of
main memory for as long as the caller holds the result.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from engine.policy.errors import RefusedWeights
from engine.wire.manifest import tensor_checksum

_LENGTH_BYTES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FileTensor:
    """One tensor of a file."""

    dtype: str
    """The format's word, such as F32 or BF16."""
    shape: tuple[int, ...]
    data: memoryview
    """Its bytes, C order, little-endian; writable, and nobody else's."""


def read_tensors(directory: Path) -> dict[str, FileTensor]:
    """All tensors in the directory's `*.safetensors` files, by name, in the order of names.

    {} without a file. Raises RefusedWeights, which says in what, if a file is torn, is not of
    this format, or vanishes.
    """
    tensors: dict[str, FileTensor] = {}
    for path in sorted(directory.glob("*.safetensors")):
        try:
            tensors |= _read_file(path)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise RefusedWeights(
                f"the weights in {path} cannot be read: {error}; the old weights stay"
            ) from error
    return {name: tensors[name] for name in sorted(tensors)}


def verify(
    tensors: Mapping[str, FileTensor], expected: Mapping[str, str], *, directory: Path
) -> None:
    """Raise RefusedWeights, naming the tensor, unless these have the `expected` checksums."""
    for name in sorted({*tensors, *expected}):
        if name not in tensors:
            seen = "is not in the files"
        elif name not in expected:
            seen = "was not published"
        elif (checksum := tensor_checksum(tensors[name].data)) != expected[name]:
            seen = f"has checksum {checksum}, was published with {expected[name]}"
        else:
            continue
        raise RefusedWeights(
            f"tensor {name} of {directory} {seen}; the files were changed after they were "
            "published: the old weights stay"
        )


def file_checksums(directory: Path, expected: Mapping[str, str] | None) -> dict[str, str]:
    """Checksum by name of the tensors in the directory's files, verified if any are expected."""
    tensors = read_tensors(directory)
    if expected is not None:
        verify(tensors, expected, directory=directory)
    return {name: tensor_checksum(tensor.data) for name, tensor in tensors.items()}


def _read_file(path: Path) -> dict[str, FileTensor]:
    """The format: u64 length of a JSON header, the header, and the tensors' bytes."""
    memory = np.empty(path.stat().st_size, dtype=np.uint8)
    with path.open("rb") as file:
        num_read = file.readinto(memory.data)
    data = memory.data[:num_read]
    start = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
    if len(data) < _LENGTH_BYTES or start > len(data):
        raise ValueError(f"its header ends at byte {start}, the file at {len(data)}")
    header = json.loads(bytes(data[_LENGTH_BYTES:start]))
    header.pop("__metadata__", None)
    return {name: _tensor(name, entry, data[start:]) for name, entry in header.items()}


def _tensor(name: str, entry: Mapping[str, object], body: memoryview) -> FileTensor:
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(start), int(end)]}:
            if not 0 <= start <= end <= len(body):
                raise ValueError(f"tensor {name} ends at byte {end} of {len(body)}")
            return FileTensor(
                dtype=dtype, shape=tuple(int(str(n)) for n in shape), data=body[start:end]
            )
    raise ValueError(f"tensor {name} must have dtype, shape and data_offsets, has {entry!r}")
