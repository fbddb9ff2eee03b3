"""The part `codec`: one real batch as bytes and back to arrays, ours and what others would do.

The batch is 16 groups of 8 rollouts, 39,543 sampled tokens, made from a fixed seed: token ids of a
vocabulary of 49,152 and float32 log-probabilities. All codecs carry every field of every group, and
are timed from what they like best (lists for those that want lists) to bytes, and from bytes to
numpy arrays of the right type. What they decode is compared with the batch before they are timed.
"""

import json
import pickle
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgpack  # type: ignore[import-untyped]  # ships no types
import numpy as np
from numpy.typing import NDArray

from benchmarks.peers import INSTALL
from benchmarks.progress import say
from engine.wire import Finish, Group, Kind, Role, Rollout, decode_group, encode_group

NUM_TOKENS: Final = 39_543
NUM_GROUPS: Final = 16
GROUP_SIZE: Final = 8
_SEED: Final = 20_260_601
_VOCABULARY: Final = 49_152
_TIMES: Final = 3
"""Passes over the batch that one timing takes together."""

Arrays = list[tuple[NDArray[np.uint32], NDArray[np.float32]]]
"""Tokens and log-probabilities of each rollout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """One way to write a batch."""

    key: str
    name: str
    prepare: Callable[[Sequence[Group]], Any]
    """From groups to what `encode` takes; not timed."""
    encode: Callable[[Any], Iterator[bytes]]
    """A record for each group, one after the other, as an engine hands them on."""
    decode: Callable[[list[bytes]], Arrays]
    executes: bool = False
    """Whether decoding can run code that the bytes name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """What a codec did; times are medians over the rounds, with their spread, a sampled token."""

    key: str
    name: str
    executes: bool
    bytes_per_token: float
    encode_ns: float
    encode_low: float
    encode_high: float
    decode_ns: float
    decode_low: float
    decode_high: float


def batch() -> list[Group]:
    """The batch, the same on every machine."""
    random = np.random.default_rng(_SEED)
    shares = random.dirichlet(np.full(NUM_GROUPS * GROUP_SIZE, 6.0))
    lengths = np.maximum(1, (shares * NUM_TOKENS).astype(int))
    lengths[-1] += NUM_TOKENS - lengths.sum()
    return [
        Group(
            group_id=random.bytes(16),
            role=Role.SOLVER if number % 2 else Role.PROPOSER,
            kind=list(Kind)[number % 3],
            task_id=random.bytes(8).hex(),
            prompt=_tokens(random, int(random.integers(60, 200))),
            temperature=1.0,
            rollouts=tuple(_rollout(random, int(length)) for length in share),
            created_ns=1_780_000_000_000_000_000 + number,
        )
        for number, share in enumerate(lengths.reshape(NUM_GROUPS, GROUP_SIZE))
    ]


def _rollout(random: np.random.Generator, length: int) -> Rollout:
    switch = int(random.integers(length + 1))
    return Rollout(
        rollout_id=random.bytes(16),
        tokens=_tokens(random, length),
        logprobs=(-random.exponential(0.7, length)).astype(np.float32),
        versions=((7, switch), (8, length - switch)),
        reward=float(random.integers(2)),
        components={"format": 0.0, "correct": 1.0},
        finish=Finish.STOP,
        verdict="ok",
    )


def _tokens(random: np.random.Generator, length: int) -> NDArray[np.uint32]:
    return random.integers(_VOCABULARY, size=length, dtype=np.uint32)


# -- ours, and the standard library ---------------------------------------------------------------


def arrays_of(groups: Sequence[Group]) -> Arrays:
    """What is to come back."""
    return [(r.tokens, r.logprobs) for group in groups for r in group.rollouts]


def _listed(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """Groups as maps of lists and numbers, with the identifiers in hex: what JSON can say."""
    return [
        {
            "group_id": group.group_id.hex(),
            "role": group.role.value,
            "kind": group.kind.value,
            "task_id": group.task_id,
            "prompt": group.prompt.tolist(),
            "temperature": group.temperature,
            "created_ns": group.created_ns,
            "rollouts": [
                {
                    "rollout_id": rollout.rollout_id.hex(),
                    "tokens": rollout.tokens.tolist(),
                    "logprobs": rollout.logprobs.tolist(),
                    "versions": rollout.versions,
                    "reward": rollout.reward,
                    "components": dict(rollout.components),
                    "finish": rollout.finish.value,
                    "verdict": rollout.verdict,
                }
                for rollout in group.rollouts
            ],
        }
        for group in groups
    ]


def _from_lists(groups: Sequence[dict[str, Any]]) -> Arrays:
    for group in groups:
        np.array(group["prompt"], dtype=np.uint32)
    return [
        (np.array(r["tokens"], dtype=np.uint32), np.array(r["logprobs"], dtype=np.float32))
        for group in groups
        for r in group["rollouts"]
    ]


def _of_lists(
    key: str, name: str, encode: Callable[[Any], bytes], decode: Callable[[bytes], Any],
    *, executes: bool = False,
) -> Codec:  # fmt: skip
    return Codec(
        key=key,
        name=name,
        prepare=_listed,
        encode=lambda groups: map(encode, groups),
        decode=lambda records: _from_lists([decode(record) for record in records]),
        executes=executes,
    )


def _pickled(value: object) -> bytes:
    return pickle.dumps(value, protocol=5)


_HERE: Final = (
    Codec(
        key="wire",
        name="kelvin (msgpack, raw arrays; checked)",
        prepare=list,
        encode=lambda groups: map(encode_group, groups),
        decode=lambda records: arrays_of([decode_group(record) for record in records]),
    ),
    _of_lists("json", "json, lists", lambda group: json.dumps(group).encode(), json.loads),
    _of_lists("pickle", "pickle, lists", _pickled, pickle.loads, executes=True),
    Codec(
        key="pickle-arrays",
        name="pickle 5, the very objects",
        prepare=list,
        encode=lambda groups: map(_pickled, groups),
        decode=lambda records: arrays_of([pickle.loads(record) for record in records]),
        executes=True,
    ),
    _of_lists(
        "msgpack",
        "msgpack, lists",
        lambda group: bytes(msgpack.packb(group, use_single_float=True)),
        msgpack.unpackb,
    ),
)


# -- the measure ----------------------------------------------------------------------------------


def codecs() -> tuple[list[Codec], dict[str, str]]:
    """Those that can be had, and by name why another cannot."""
    try:
        from benchmarks import structs
    except ImportError:
        why = f"no package msgspec for this Python; try `pip install {INSTALL}`"
        return list(_HERE), {"msgspec, lists": why, "msgspec, raw arrays": why}
    return [*_HERE, *structs.CODECS], {}


def compare(members: Sequence[Codec], *, rounds: int) -> list[Coded]:
    """All in turns, on the same batch. Raises ValueError, naming it, if one alters the batch."""
    groups = batch()
    ready = {codec.key: codec.prepare(groups) for codec in members}
    records = {codec.key: list(codec.encode(ready[codec.key])) for codec in members}
    for codec in members:
        check(codec, records[codec.key], groups)
    encode_ns: dict[str, list[float]] = {codec.key: [] for codec in members}
    decode_ns: dict[str, list[float]] = {codec.key: [] for codec in members}
    for number in range(rounds):
        for codec in members:
            say(f"codec, round {number + 1} of {rounds}: {codec.name}")
            encode_ns[codec.key].append(_timed_ns(_to_nowhere(codec), ready[codec.key]))
            decode_ns[codec.key].append(_timed_ns(codec.decode, records[codec.key]))
    say("")
    return [
        Coded(
            key=codec.key,
            name=codec.name,
            executes=codec.executes,
            bytes_per_token=sum(map(len, records[codec.key])) / NUM_TOKENS,
            encode_ns=statistics.median(encode_ns[codec.key]),
            encode_low=min(encode_ns[codec.key]),
            encode_high=max(encode_ns[codec.key]),
            decode_ns=statistics.median(decode_ns[codec.key]),
            decode_low=min(decode_ns[codec.key]),
            decode_high=max(decode_ns[codec.key]),
        )
        for codec in members
    ]


def check(codec: Codec, records: list[bytes], groups: Sequence[Group]) -> None:
    """Whether what comes back is the batch, bit for bit and of the same types."""
    seen, sent = codec.decode(records), arrays_of(groups)
    is_same = len(seen) == len(sent) and all(
        a.dtype == b.dtype and np.array_equal(a, b)
        for pair in zip(seen, sent, strict=False)
        for a, b in zip(*pair, strict=True)
    )
    if not is_same:
        raise ValueError(f"{codec.name}: the batch does not come back as it was written")


def _to_nowhere(codec: Codec) -> Callable[[Any], object]:
    return lambda on: deque(codec.encode(on), maxlen=0)


def _timed_ns(work: Callable[[Any], object], on: object) -> float:
    began = time.perf_counter_ns()
    for _ in range(_TIMES):
        work(on)
    return (time.perf_counter_ns() - began) / _TIMES / NUM_TOKENS
