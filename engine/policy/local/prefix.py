"""Recent prompts, so that a beginning they share is computed once.

Few-shot prompts recur: the same worked blocks before different questions, and the same prompt for
every completion of a group. A cached prompt serves any other prompt with the same first tokens, up
to where they part. New weights make all of it stale; the worker empties it then.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.policy.local.decoder import Decoder, Prompt


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Entry:
    tokens: NDArray[np.int64]
    prompt: Prompt


class PrefixCache:
    """Computes prompts, reusing those of the last `max_tokens` tokens' worth."""

    def __init__(self, decoder: Decoder, *, max_tokens: int) -> None:
        self.num_hits = 0
        """Prompts of which at least a part was known."""
        self.num_computed = 0
        """Prompt tokens that the model has processed."""
        self.num_reused = 0
        """Prompt tokens that it did not have to."""
        self._decoder = decoder
        self._max_tokens = max_tokens
        self._entries: OrderedDict[tuple[int, ...], _Entry] = OrderedDict()
        self._size = 0

    def get(self, tokens: Sequence[int]) -> Prompt:
        """The prompt, computed as far as it is not known."""
        key = tuple(tokens)
        if entry := self._entries.get(key):
            self._entries.move_to_end(key)
            self._count(reused=len(key), computed=0)
            return entry.prompt
        wanted = np.asarray(key)
        best, length = self._longest(wanted)
        known = best.prompt.kv_L2HPD[:, :, :, :length] if best else None
        prompt = self._decoder.prefill(key, known=known)
        self._count(reused=length, computed=len(key) - length)
        self._keep(key, _Entry(tokens=wanted, prompt=prompt))
        return prompt

    def clear(self) -> None:
        """Forget everything: the weights have changed."""
        self._entries.clear()
        self._size = 0

    def _longest(self, wanted: NDArray[np.int64]) -> tuple[_Entry | None, int]:
        """The entry that shares most with `wanted`, its last token excepted, and how much."""
        best, length = None, 0
        for entry in self._entries.values():
            shared = _common(entry.tokens, wanted[:-1])
            if shared > length:
                best, length = entry, shared
        return best, length

    def _keep(self, key: tuple[int, ...], entry: _Entry) -> None:
        self._entries[key] = entry
        self._size += len(key)
        while self._size > self._max_tokens and len(self._entries) > 1:
            oldest, _ = self._entries.popitem(last=False)
            self._size -= len(oldest)

    def _count(self, *, reused: int, computed: int) -> None:
        self.num_hits += reused > 0
        self.num_reused += reused
        self.num_computed += computed


def _common(left: NDArray[np.int64], right: NDArray[np.int64]) -> int:
    """How many first tokens are equal."""
    length = min(len(left), len(right))
    different = np.flatnonzero(left[:length] != right[:length])
    return int(different[0]) if len(different) else length
