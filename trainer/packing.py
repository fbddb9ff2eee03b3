"""Prefix-tree packing: every distinct prefix of a micro-batch is computed once, without padding.

The sequences of a batch share much: samples of one group their prompt, groups of one kind the
examples at the head of it, easy completions their first tokens. A micro-batch is therefore laid out
as a trie in one row. A node is one token after one prefix; its position is its depth and it attends
to its ancestors and itself, so its hidden state is what it would be in every sequence that passes
through it, and the gradient of the packed row is exactly the sum of the gradients of the sequences.
A masked token has its node, for what follows attends to it, but is not among the tokens to score:
it reaches neither head nor loss.

Sorted as tuples, sequences come in the order of a depth-first walk, and the new nodes of each are
those beyond its longest common prefix with its predecessor. In that order the descendants of a node
are an interval, which gives the mask; and a good split into micro-batches is one into contiguous
runs, found exactly by dynamic programming over the cost of a forward pass, which grows with the
square of its nodes. The last token of a sequence predicts nothing and gets no node of its own.

Suffixes: `t` nodes of a micro-batch, `k` completion tokens to score.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.wire.messages import Tokens
from trainer.batch import Sample

Index = NDArray[np.int64]

PASS_OVERHEAD: Final = 32
"""Cost of a forward pass beyond that of its nodes, in nodes: adding up the weights' gradients."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pack:
    """One micro-batch: a trie in preorder, and the tokens to score on it."""

    tokens_t: Index
    depths_t: Index
    ends_t: Index
    """Descendants of node i are the nodes from i + 1 up to `ends_t[i]`, exclusive."""
    parents_k: Index
    """The node whose hidden state predicts token k."""
    targets_k: Index
    """Token k's id."""
    members: tuple[int, ...]
    """The samples, as numbered in the call of `pack`; k runs through their completions in turn,
    masked tokens left out."""

    @property
    def num_nodes(self) -> int:
        return len(self.tokens_t)

    def mask_tt(self) -> NDArray[np.bool_]:
        """True where node i (row) may attend to node j (column): j is i or an ancestor of i."""
        nodes_t = np.arange(self.num_nodes)
        return (nodes_t[:, None] >= nodes_t) & (nodes_t[:, None] < self.ends_t)


def pack(samples: Sequence[Sample], *, max_nodes: int, square_at: float = np.inf) -> list[Pack]:
    """Lay out non-empty sequences as micro-batches of at most `max_nodes` nodes each.

    A sequence longer than that has a micro-batch to itself. `square_at` is the number of nodes at
    which the quadratic part of a pass (attention) costs as much as the linear one.
    """
    inputs = [np.concatenate([s.prompt, s.tokens[:-1]]) for s in samples]
    # Big-endian bytes sort as the tuples of tokens do, hundreds of times faster.
    keys = [tokens.astype(">u4").tobytes() for tokens in inputs]
    order = sorted(range(len(samples)), key=keys.__getitem__)
    lengths = [len(inputs[i]) for i in order]
    shared = [0, *(_common_prefix(inputs[a], inputs[b]) for a, b in pairwise(order))]
    runs = _split(lengths, shared, max_nodes=max_nodes, square_at=square_at)
    return [_lay_out(order[a:b], inputs, samples) for a, b in runs]


def num_unpacked(samples: Sequence[Sample]) -> int:
    """Tokens that one forward pass a sequence would compute."""
    return sum(len(s.prompt) + len(s.tokens) for s in samples)


def _common_prefix(first: Tokens, second: Tokens) -> int:
    n = min(len(first), len(second))
    differs = first[:n] != second[:n]
    return int(differs.argmax()) if differs.any() else n


def _split(
    lengths: list[int], shared: list[int], *, max_nodes: int, square_at: float
) -> list[tuple[int, int]]:
    """Cut sorted sequences into contiguous runs of least total cost; a run's first pays in full."""
    n = len(lengths)
    best: list[tuple[float, int]] = [(0.0, 0)]  # cost of the first `end` sequences, last cut
    for end in range(1, n + 1):
        candidates = []
        extra = 0  # nodes of the run's sequences after its first
        for start in range(end - 1, -1, -1):
            nodes = lengths[start] + extra
            if nodes > max_nodes and start < end - 1:
                break
            cost = PASS_OVERHEAD + nodes * (1.0 + nodes / square_at)
            candidates.append((best[start][0] + cost, start))
            extra += lengths[start] - shared[start]
        best.append(min(candidates))
    runs: list[tuple[int, int]] = []
    end = n
    while end > 0:
        runs.append((best[end][1], end))
        end = best[end][1]
    return runs[::-1]


def _lay_out(members: list[int], inputs: list[Tokens], samples: Sequence[Sample]) -> Pack:
    tokens: list[Tokens] = []
    depths: list[Index] = []
    ends: list[int] = []
    parents: list[Index] = []
    path: list[int] = []  # nodes of the current sequence, root first
    for place, member in enumerate(members):
        row = inputs[member]
        keep = _common_prefix(inputs[members[place - 1]], row) if place else 0
        _close(path[keep:], ends)
        path[keep:] = range(len(ends), len(ends) + len(row) - keep)
        ends.extend([-1] * (len(row) - keep))
        tokens.append(row[keep:])
        depths.append(np.arange(keep, len(row)))
        # The first completion token is predicted by the last token of the prompt.
        sample = samples[member]
        parents.append(sample.trained(np.asarray(path[len(sample.prompt) - 1 :])))
    _close(path, ends)
    return Pack(
        tokens_t=np.concatenate(tokens).astype(np.int64),
        depths_t=np.concatenate(depths),
        ends_t=np.asarray(ends),
        parents_k=np.concatenate(parents),
        targets_k=np.concatenate([_targets(samples[member]) for member in members]),
        members=tuple(members),
    )


def _targets(sample: Sample) -> Index:
    return sample.trained(sample.tokens).astype(np.int64)


def _close(nodes: list[int], ends: list[int]) -> None:
    for node in nodes:
        ends[node] = len(ends)
