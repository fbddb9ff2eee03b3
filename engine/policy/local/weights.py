"""New weights into a living model.

The files are checked against the model before the first byte is written: a publication of another
shape is refused whole, and the old weights stay. The checksum is taken of the model's own tensors
after the copy, in the files' precision, so it equals the publisher's exactly if every value has
arrived; a model held in a coarser precision than the files has another checksum.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from transformers import PreTrainedModel

from engine.policy.errors import PolicyError
from engine.wire.manifest import combine_checksums, tensor_checksum


def load_weights(model: PreTrainedModel, directory: Path) -> str:
    """Copy the safetensors files of `directory` into `model`; returns the checksum."""
    own = model.state_dict()
    with ExitStack() as stack:
        published = dict(_tensors(directory, stack))
        _check(own, published, directory)
        checksums: dict[str, str] = {}
        seen: set[int] = set()
        for name, tensor in published.items():
            own[name].copy_(tensor)
            if own[name].data_ptr() not in seen:  # a tied matrix may be published twice
                seen.add(own[name].data_ptr())
                checksums[name] = _checksum(own[name].to(tensor.dtype))
    return combine_checksums(checksums)


def _tensors(directory: Path, stack: ExitStack) -> Iterator[tuple[str, torch.Tensor]]:
    """Names and memory-mapped tensors, in the order of their names."""
    files = sorted(directory.glob("*.safetensors"))
    if not files:
        raise PolicyError(f"no weights to load: expected *.safetensors in {directory}")
    try:
        handles = [stack.enter_context(safe_open(file, framework="pt")) for file in files]
    except (SafetensorError, OSError) as error:
        raise PolicyError(f"the weights in {directory} cannot be read: {error}") from error
    where = {name: handle for handle in handles for name in handle.keys()}  # noqa: SIM118
    for name in sorted(where):
        yield name, where[name].get_tensor(name)


def _check(
    own: dict[str, torch.Tensor], published: dict[str, torch.Tensor], directory: Path
) -> None:
    unknown = sorted(published.keys() - own.keys())
    covered = {own[name].data_ptr() for name in published.keys() & own.keys()}
    missing = sorted(name for name in own if own[name].data_ptr() not in covered)
    wrong = sorted(n for n in published if n in own and published[n].shape != own[n].shape)
    if unknown or missing or wrong:
        raise PolicyError(
            f"{directory} holds the weights of another model; unknown: {unknown[:3]}, missing: "
            f"{missing[:3]}, of another shape: {wrong[:3]}; the old weights stay"
        )


def _checksum(tensor: torch.Tensor) -> str:
    data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return tensor_checksum(data.numpy().data)
