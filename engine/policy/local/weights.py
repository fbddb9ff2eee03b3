"""New weights into a living model, in two phases.

Staging reads the files into memory beside the model, while it goes on sampling, and checks
everything that can be checked: that each tensor has the checksum it was published with, and that
the model has the same tensors, of the same shapes, in a precision that holds every value. Whatever
fails here is refused whole, and the old weights stay. Swapping, between two steps, then only
copies; if that fails the model is neither the old nor the new one, and must not sample again.

The checksum is taken of the model's own tensors after the copy, in the files' precision, so it
equals the publisher's exactly if every value has arrived.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from transformers import PreTrainedModel

from engine.policy.errors import PolicyError, RefusedWeights
from engine.policy.tensor_files import FileTensor, read_tensors, verify
from engine.wire.manifest import combine_checksums, tensor_checksum

_DTYPES: Final = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Staged:
    """Weights that fit the model and have not been given to it yet; swapping empties it."""

    tensors: dict[str, torch.Tensor]
    """In main memory."""
    expected: Mapping[str, str] | None
    """Checksum by name, if it is known."""


def stage_weights(
    model: PreTrainedModel, directory: Path, *, expected: Mapping[str, str] | None
) -> Staged:
    """Read and check the safetensors files of `directory`; the model is only looked at.

    Raises RefusedWeights if they are not as `expected`, PolicyError if they are of another model
    or precision; both name a tensor.
    """
    files = read_tensors(directory)
    if not files:
        raise RefusedWeights(f"no weights to load: expected *.safetensors in {directory}")
    if expected is not None:
        verify(files, expected, directory=directory)
    tensors = {name: _as_tensor(name, file) for name, file in files.items()}
    _check(model.state_dict(), tensors, directory)
    return Staged(tensors=tensors, expected=expected)


def swap_weights(model: PreTrainedModel, staged: Staged) -> str:
    """Copy staged weights into the model; returns the checksum of the model's own tensors."""
    own = model.state_dict()
    dtypes = {name: tensor.dtype for name, tensor in staged.tensors.items()}
    for name in dtypes:
        own[name].copy_(staged.tensors.pop(name))
    checksums = {name: _checksum(own[name].to(dtype)) for name, dtype in dtypes.items()}
    if staged.expected is not None:
        wrong = [name for name in checksums if checksums[name] != staged.expected[name]]
        if wrong:
            log.error("after the load the model's own %s is not what was published", wrong[:3])
    return combine_checksums(checksums)


def _as_tensor(name: str, file: FileTensor) -> torch.Tensor:
    if file.dtype not in _DTYPES:
        raise RefusedWeights(f"tensor {name} must be one of {', '.join(_DTYPES)}: {file.dtype}")
    dtype = _DTYPES[file.dtype]
    if len(file.data) != dtype.itemsize * math.prod(file.shape):
        raise RefusedWeights(
            f"tensor {name} should have {file.dtype} values of shape {file.shape}, has "
            f"{len(file.data)} bytes; the old weights stay"
        )
    # A copy where the format's offsets leave a tensor unaligned, as its own writers never do.
    raw = torch.frombuffer(file.data, dtype=torch.uint8) if file.data else torch.empty(0)
    aligned = raw if raw.data_ptr() % dtype.itemsize == 0 else raw.clone()
    return aligned.view(dtype).reshape(file.shape)


def _check(own: dict[str, torch.Tensor], published: dict[str, torch.Tensor], where: Path) -> None:
    covered = {own[name].data_ptr() for name in published.keys() & own.keys()}
    unknown = sorted(published.keys() - own.keys())
    missing = sorted(name for name in own if own[name].data_ptr() not in covered)
    both = sorted(published.keys() & own.keys())
    wrong = [name for name in both if published[name].shape != own[name].shape]
    if unknown or missing or wrong:
        raise PolicyError(
            f"{where} holds the weights of another model; unknown: {unknown[:3]}, missing: "
            f"{missing[:3]}, of another shape: {wrong[:3]}; the old weights stay"
        )
    for name in both:
        held, offered = own[name].dtype, published[name].dtype
        if torch.promote_types(held, offered) != held:
            raise PolicyError(
                f"tensor {name} of {where} is {offered}, which the model, held in {held}, would "
                "round; publish in that precision (trainer.publish_dtype), or hold the model in "
                "a finer one; the old weights stay"
            )


def _checksum(tensor: torch.Tensor) -> str:
    data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return tensor_checksum(data.numpy().data)
