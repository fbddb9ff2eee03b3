"""The policy that learns: loading it, and computing it on a packed micro-batch.

Any decoder of transformers will do whose attention takes a four-dimensional mask and whose head is
a plain matrix. Whether that holds for a given model is not guessed from its name: at start a small
trie is computed packed and unpacked, and a model whose two answers differ is refused.

Suffixes: `t` nodes, `r` rows of the head, `k` tokens to score, `d` hidden, `v` vocabulary.
"""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging as transformers_logging

from trainer.errors import TrainerError
from trainer.packing import Pack

TOLERANCE: Final = 1e-3
"""Largest accepted difference of a log-probability, packed from unpacked."""

log = logging.getLogger(__name__)


def load_model(directory: Path, *, device: torch.device) -> PreTrainedModel:
    """The model in a Hugging Face directory, float32, from safetensors only.

    Raises TrainerError if the directory holds none or packing does not suit the model.
    """
    _check_directory(directory)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # has no types
    try:
        model = AutoModelForCausalLM.from_pretrained(
            directory,
            dtype=torch.float32,
            attn_implementation="sdpa",
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        )
    except (OSError, ValueError, RuntimeError, KeyError, AttributeError) as error:
        first_line = str(error).strip().split("\n")[0]
        raise TrainerError(
            f"expected a causal language model in {directory}, transformers says: {first_line}; "
            "give a directory that AutoModelForCausalLM loads"
        ) from error
    torch.nn.Module.to(model, device)
    for parameter in model.parameters():
        # Not a view of the file: freshly allocated, so that a resumed run computes bit for bit
        # what an uninterrupted one does (the kernels look at alignment).
        parameter.data = parameter.data.clone(memory_format=torch.contiguous_format)
    check_packing(model)
    return model


def pick_device(name: str) -> torch.device:
    """The device called `name`; `auto` is CUDA if there is any. Raises TrainerError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise TrainerError(
            f"trainer.device must be auto, cpu, cuda or cuda:N, got {name!r}"
        ) from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise TrainerError(
            f"trainer.device is {name}, but torch sees no CUDA device; use trainer.device auto"
        )
    return device


def vocabulary(model: PreTrainedModel) -> int:
    """Rows of the embedding: token ids must be below."""
    return len(_weight(model.get_input_embeddings()))


def square_at(model: PreTrainedModel) -> float:
    """Nodes at which attention costs as much as everything linear in the nodes."""
    config = model.config.get_text_config()
    linear = sum(p.numel() for p in model.parameters()) - vocabulary(model) * config.hidden_size
    per_pair = 2 * config.num_hidden_layers * config.hidden_size  # scores and mixing
    return max(1.0, float(linear / per_pair))


def hidden_states(model: PreTrainedModel, pack: Pack) -> Tensor:
    """Last hidden state of every node, (t, d), with its graph."""
    device = model.device
    output = model.base_model(
        input_ids=torch.from_numpy(pack.tokens_t)[None].to(device),
        position_ids=torch.from_numpy(pack.depths_t)[None].to(device),
        attention_mask=torch.from_numpy(pack.mask_tt())[None, None].to(device),
        use_cache=False,
    )
    hidden_1td: Tensor = output.last_hidden_state
    return hidden_1td[0]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeadRows:
    """The positions whose next-token distribution is needed, each once, and who needs them."""

    nodes_r: Tensor
    temperatures_r: Tensor
    rows_k: Tensor
    """Row of each token, ascending."""
    order_k: Tensor
    """Which token of the pack this is: rows_k and targets_k are sorted by row."""
    targets_k: Tensor

    @classmethod
    def of(cls, pack: Pack, *, temperatures_k: np.ndarray, device: torch.device) -> "HeadRows":
        """The rows of a pack; tokens that follow the same node share one."""
        pairs = np.stack([pack.parents_k, temperatures_k], axis=1)
        unique, rows = np.unique(pairs, axis=0, return_inverse=True)
        order = np.argsort(rows, kind="stable")
        return cls(
            nodes_r=torch.from_numpy(unique[:, 0].astype(np.int64)).to(device),
            temperatures_r=torch.from_numpy(unique[:, 1].astype(np.float32)).to(device),
            rows_k=torch.from_numpy(rows[order]).to(device),
            order_k=torch.from_numpy(order).to(device),
            targets_k=torch.from_numpy(pack.targets_k[order]).to(device),
        )

    def chunks(self, size: int) -> list[tuple[slice, slice]]:
        """Slices of r of at most `size` rows, each with the slice of k that needs it."""
        num_rows = len(self.nodes_r)
        starts = list(range(0, num_rows, size))
        edges = torch.tensor([*starts, num_rows], device=self.rows_k.device)
        cuts = torch.searchsorted(self.rows_k, edges).tolist()
        return [
            (slice(start, min(start + size, num_rows)), slice(cuts[i], cuts[i + 1]))
            for i, start in enumerate(starts)
        ]


def head_weight(model: PreTrainedModel) -> Tensor:
    """The matrix of the head, (v, d)."""
    return _weight(model.get_output_embeddings())  # type: ignore[no-untyped-call]  # has no types


def _weight(module: torch.nn.Module) -> Tensor:
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight


def score(hidden_rd: Tensor, weight_vd: Tensor, *, temperatures_r: Tensor) -> Tensor:
    """log p of every token after each row, (r, v), float32."""
    logits_rv = torch.nn.functional.linear(hidden_rd.float(), weight_vd.float())
    if bool((temperatures_r != 1.0).any()):
        logits_rv = logits_rv / temperatures_r[:, None]
    return logits_rv.log_softmax(dim=-1)


@torch.no_grad()
def check_packing(model: PreTrainedModel) -> None:
    """Raises TrainerError if this model, computed on a trie, is not the model."""
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]  # has no types
    if head is None or getattr(head, "bias", None) is not None:
        raise TrainerError(
            f"{type(model).__name__} has no plain matrix as its head; such models are not supported"
        )
    # Spread over the vocabulary: the first ids are special tokens, on whose huge activations the
    # order of float32 sums alone makes 1e-2 (0 in float64, 4e-5 on ordinary tokens).
    first = torch.arange(1, 9, device=model.device) * (vocabulary(model) // 9)
    second = torch.cat([first[:4], first[4:].flip(0)])
    trie = Pack(
        tokens_t=torch.cat([first, second[4:]]).cpu().numpy(),
        depths_t=np.array([*range(8), *range(4, 8)]),
        ends_t=np.array([12, 12, 12, 12, 8, 8, 8, 8, 12, 12, 12, 12]),
        parents_k=np.empty(0, dtype=np.int64),
        targets_k=np.empty(0, dtype=np.int64),
        members=(),
    )
    hidden = hidden_states(model, trie)
    ones = torch.ones(len(hidden), device=model.device)
    packed = score(hidden, head_weight(model), temperatures_r=ones)
    plain = model(input_ids=torch.stack([first, second]), use_cache=False).logits.float()
    plain = plain.log_softmax(dim=-1)
    gap = (packed - torch.cat([plain[0], plain[1, 4:]])).abs().max().item()
    if not gap <= TOLERANCE:
        raise TrainerError(
            f"{type(model).__name__} computed on a prefix tree differs from itself by {gap:.3g} in "
            f"log-probability, at most {TOLERANCE:g} is accepted; its attention or head is of "
            "another kind (sliding window, soft caps, recurrence): use a Llama or Qwen2 model"
        )


def _check_directory(directory: Path) -> None:
    path = directory / "config.json"
    try:
        config: object = json.loads(path.read_bytes())
    except OSError:
        raise TrainerError(
            f"expected a model directory with config.json at {directory}, found none; "
            "correct model.directory"
        ) from None
    except ValueError as error:
        raise TrainerError(f"{path} must be JSON: {error}; restore it") from error
    if not any(directory.glob("*.safetensors")):
        raise TrainerError(
            f"expected *.safetensors in {directory}, found none; convert the weights "
            "(other formats can hold code and are never read)"
        )
    if isinstance(config, dict) and config.get("sliding_window") and _uses_window(config):
        raise TrainerError(
            f"{path} asks for a sliding window, which packing does not have; use a model without"
        )


def _uses_window(config: dict[str, object]) -> bool:
    return config.get("use_sliding_window") is not False
