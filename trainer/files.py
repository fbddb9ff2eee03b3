"""A model as files in the Hugging Face layout, for checkpoints and for publishing.

Configuration and tokenizer are copied from the directory that the run began with, by an allow-list
of names; the tensors are ours. safetensors holds numbers only, so nothing that is read back can
execute.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedModel

from engine.wire import tensor_checksum

WEIGHTS: Final = "model.safetensors"

_ERRNO: Final = re.compile(r"os error (\d+)")
_COMPANIONS: Final = (
    "generation_config.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "vocab.txt",
    "chat_template.jinja", "chat_template.json",
)  # fmt: skip


def named_tensors(model: PreTrainedModel) -> dict[str, Tensor]:
    """The model's tensors by name, tied ones once, as (a view of) what it computes with."""
    seen: set[int] = set()
    tensors = {}
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            tensors[name] = tensor
    return tensors


def write_model(directory: Path, tensors: Mapping[str, Tensor], *, origin: Path) -> None:
    """Write tensors of one dtype, with the configuration and tokenizer of `origin`."""
    dtype = next(iter(tensors.values())).dtype
    config = json.loads((origin / "config.json").read_bytes())
    config.pop("torch_dtype", None)
    config["dtype"] = str(dtype).removeprefix("torch.")
    (directory / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    for name in _COMPANIONS:
        if (origin / name).is_file():
            shutil.copyfile(origin / name, directory / name)
    save_tensors(dict(on_cpu(tensors)), directory / WEIGHTS)


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write a safetensors file. Raises OSError if it cannot be written."""
    try:
        save_file(dict(tensors), path, metadata={"format": "pt"})
    except SafetensorError as error:
        raise _as_os_error(error) from error


def _as_os_error(error: SafetensorError) -> OSError:
    """The failure of the disk that the library hides in a sentence."""
    number = _ERRNO.search(str(error))
    return OSError(int(number[1]), os.strerror(int(number[1]))) if number else OSError(str(error))


def checksums(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Checksum by name of the tensors' bytes."""
    return {name: tensor_checksum(_raw(tensor)) for name, tensor in on_cpu(tensors)}


def on_cpu(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """The tensors, detached, contiguous, in main memory."""
    for name, tensor in tensors.items():
        yield name, tensor.detach().cpu().contiguous()


def _raw(tensor: Tensor) -> memoryview:
    return tensor.reshape(-1).view(torch.uint8).numpy().data
