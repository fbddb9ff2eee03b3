# ruff: noqa: N803, N806, N815  shape suffixes are upper case
"""The model, and the keys and values of every row it is completing.

Rows live in slots 0 to n - 1 of one tensor, without gaps: a decoding step is one forward pass over
n rows of different lengths, each with its own position and mask, and no padding is ever computed.
A row that ends is overwritten by the last one. A prompt is computed once, apart, and copied into
as many slots as it has completions.

The slots know nothing of requests; the worker keeps row i of its list in slot i.

Works with any causal model of transformers whose layers all attend to the whole past and keep
equally shaped keys and values (Llama, Qwen2, Qwen3, SmolLM and their kin). `Decoder` makes sure of
that when it is built: it completes a short sequence in both ways and compares.

Shape suffixes: `L` layer, `2` key or value, `B` row, `S` slot, `H` key-value head, `T` position,
`P` prompt position, `D` head width, `V` vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Protocol

import torch
from transformers import DynamicCache, PreTrainedModel

from engine.policy.errors import PolicyError

_GROWTH = 256
"""Positions are added to the slots in steps of at least this many."""

_CHECK_LENGTH = 12
_CHECK_TOLERANCE = 0.05  # of the logits' spread; bfloat16 stays below 0.02, a wrong mask is at 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prompt:
    """A prompt's keys and values, and what the model expects to follow."""

    tokens: tuple[int, ...]
    kv_L2HPD: torch.Tensor
    logits_V: torch.Tensor


class _Store(Protocol):
    """What a model's attention layers ask of a cache."""

    def update(
        self, key: torch.Tensor, value: torch.Tensor, layer: int, **_: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep a layer's new keys and values; returns all that may be attended to.

        What else transformers hands on (its mask's settings) is for caches of other kinds.
        """


@dataclass(slots=True, eq=False)
class _PromptStore:
    """One prompt; new positions come after those that are known."""

    kv_L2HPD: torch.Tensor
    known: int

    def update(
        self, key: torch.Tensor, value: torch.Tensor, layer: int, **_: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        keys_HPD, values_HPD = self.kv_L2HPD[layer]
        keys_HPD[:, self.known :] = key[0]
        values_HPD[:, self.known :] = value[0]
        return keys_HPD[None], values_HPD[None]


@dataclass(slots=True, eq=False)
class _SlotStore:
    """The first n slots, with one new position each."""

    kv_L2SHTD: torch.Tensor
    rows_B: torch.Tensor
    positions_B: torch.Tensor
    width: int

    def update(
        self, key: torch.Tensor, value: torch.Tensor, layer: int, **_: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        num_rows = len(key)
        keys_SHTD, values_SHTD = self.kv_L2SHTD[layer]
        keys_SHTD[self.rows_B, :, self.positions_B] = key[:, :, 0]
        values_SHTD[self.rows_B, :, self.positions_B] = value[:, :, 0]
        return keys_SHTD[:num_rows, :, : self.width], values_SHTD[:num_rows, :, : self.width]


class Decoder:
    """A model with room for `slots` rows. Belongs to one thread; call it in inference mode."""

    def __init__(self, model: PreTrainedModel, *, slots: int) -> None:
        self.model = model
        self.slots = slots
        self.max_length: int = model.config.get_text_config().max_position_embeddings
        self._device = model.device
        self._cache_name = _cache_name(model)
        reference_BTV, shape = _complete_plainly(model)
        layers, heads, width = shape
        self._kv_L2SHTD = torch.zeros(
            layers, 2, slots, heads, 0, width, dtype=model.dtype, device=self._device
        )
        self._check(reference_BTV[0, -1])

    def prefill(self, tokens: Sequence[int], *, known: torch.Tensor | None = None) -> Prompt:
        """Compute a prompt; `known` (L, 2, H, P', D) are keys and values of its first P' tokens.

        At least one token must be left to compute, or there would be nothing to predict from.
        """
        start = 0 if known is None else known.shape[3]
        assert start < len(tokens)
        layers, _, _, heads, _, width = self._kv_L2SHTD.shape
        kv_L2HPD = self._kv_L2SHTD.new_empty(layers, 2, heads, len(tokens), width)
        if known is not None:
            kv_L2HPD[:, :, :, :start] = known
        positions = torch.arange(start, len(tokens), device=self._device)
        mask = torch.arange(len(tokens), device=self._device) <= positions[:, None]
        logits = self._forward(
            torch.tensor([tokens[start:]], device=self._device),
            positions=positions[None],
            mask=mask[None, None],
            store=_PromptStore(kv_L2HPD, start),
        )
        return Prompt(tokens=tuple(tokens), kv_L2HPD=kv_L2HPD, logits_V=logits[0])

    def place(self, prompt: Prompt, slot: int, *, max_length: int) -> None:
        """Put a prompt into a slot that may grow to `max_length` positions."""
        self._reserve(max_length)
        self._kv_L2SHTD[:, :, slot, :, : len(prompt.tokens)] = prompt.kv_L2HPD

    def move(self, source: int, target: int, *, length: int) -> None:
        """Copy the `length` positions of one slot into another."""
        kv = self._kv_L2SHTD
        kv[:, :, target, :, :length] = kv[:, :, source, :, :length]

    def step(self, tokens: Sequence[int], *, positions: Sequence[int]) -> torch.Tensor:
        """Feed one token to each of the first slots, at its position; returns logits (B, V)."""
        positions_B = torch.tensor(positions, device=self._device)
        width = max(positions) + 1
        mask_BT = torch.arange(width, device=self._device) <= positions_B[:, None]
        rows_B = torch.arange(len(tokens), device=self._device)
        return self._forward(
            torch.tensor(tokens, device=self._device)[:, None],
            positions=positions_B[:, None],
            mask=mask_BT[:, None, None],
            store=_SlotStore(self._kv_L2SHTD, rows_B, positions_B, width),
        )

    def _forward(
        self, ids: torch.Tensor, *, positions: torch.Tensor, mask: torch.Tensor, store: _Store
    ) -> torch.Tensor:
        """Logits after the last position of each row, (B, V)."""
        output = self.model(
            input_ids=ids,
            position_ids=positions,
            attention_mask=mask,
            **{self._cache_name: store},
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def _reserve(self, length: int) -> None:
        """Make room for `length` positions. Fresh memory is zero: a masked NaN is still a NaN."""
        held = self._kv_L2SHTD
        if length <= held.shape[4]:
            return
        shape = list(held.shape)
        shape[4] = max(length, held.shape[4] + _GROWTH)
        self._kv_L2SHTD = held.new_zeros(shape)
        self._kv_L2SHTD[:, :, :, :, : held.shape[4]] = held

    def _check(self, expected_V: torch.Tensor) -> None:
        """Refuse a model that does not complete the same way here as in transformers."""
        tokens = _check_tokens(self.model)
        half = self.prefill(tokens[: _CHECK_LENGTH // 2])
        prompt = self.prefill(tokens[:-1], known=half.kv_L2HPD)
        self.place(prompt, 0, max_length=len(tokens))
        seen_V = self.step(tokens[-1:], positions=[len(tokens) - 1])[0]
        error = (seen_V.float() - expected_V.float()).abs().max()
        if not error <= _CHECK_TOLERANCE * expected_V.float().std():
            raise PolicyError(
                f"{type(self.model).__name__} does not work with the local policy: its logits "
                f"differ by {error:.3g} when rows keep keys and values of their own"
            )


def _check_tokens(model: PreTrainedModel) -> list[int]:
    vocabulary = model.config.get_text_config().vocab_size
    return [7919 * (i + 1) % vocabulary for i in range(_CHECK_LENGTH)]


def _cache_name(model: PreTrainedModel) -> str:
    """What a forward pass calls its cache: transformers renamed it in version 5."""
    return "cache" if "cache" in signature(model.forward).parameters else "past_key_values"


def _complete_plainly(model: PreTrainedModel) -> tuple[torch.Tensor, tuple[int, int, int]]:
    """transformers' own logits of the check's tokens; layers, heads and width of their cache."""
    cache = DynamicCache(config=model.config)
    ids = torch.tensor([_check_tokens(model)], device=model.device)
    logits = model(input_ids=ids, use_cache=True, **{_cache_name(model): cache}).logits
    held = [getattr(layer, name, None) for layer in cache.layers for name in ("keys", "values")]
    shapes = {tensor.shape if isinstance(tensor, torch.Tensor) else None for tensor in held}
    shape = shapes.pop()
    if shapes or shape is None or any(cache.is_sliding):
        raise PolicyError(
            f"{type(model).__name__} does not work with the local policy: its layers must be alike "
            "and attend to the whole past; it has sliding windows, layers of several shapes or "
            "layers without keys and values"
        )
    _, heads, _, width = shape
    return logits, (len(cache.layers), heads, width)
