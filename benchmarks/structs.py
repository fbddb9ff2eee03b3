"""msgspec's forms of a batch: typed structs written as arrays, its smallest and fastest.

Importing this needs the package. It checks types as it decodes; raw arrays are then views of the
record's bytes.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.formats import Arrays, Codec
from engine.wire import Finish, Group, Kind, Role, Rollout

Write = Callable[[NDArray[Any]], object]
"""An array as what a struct holds of it."""


class Form:
    """Structs whose arrays are of the given types, with what reads and writes them."""

    def __init__(self, tokens: object, logprobs: object, *, write: Write) -> None:
        self._write = write
        self._rollout: Any = msgspec.defstruct(
            "Rollout",
            [
                ("rollout_id", bytes),
                ("tokens", tokens),
                ("logprobs", logprobs),
                ("versions", tuple[tuple[int, int], ...]),
                ("reward", float),
                ("components", dict[str, float]),
                ("finish", Finish),
                ("verdict", str),
            ],
            array_like=True,
        )
        self._group: Any = msgspec.defstruct(
            "Group",
            [
                ("group_id", bytes),
                ("role", Role),
                ("kind", Kind),
                ("task_id", str),
                ("prompt", tokens),
                ("temperature", float),
                ("rollouts", list[self._rollout]),  # type: ignore[name-defined]  # made just now
                ("created_ns", int),
            ],
            array_like=True,
        )
        self.encode: Callable[[object], bytes] = msgspec.msgpack.Encoder().encode
        self.decode: Callable[[bytes], Any] = msgspec.msgpack.Decoder(self._group).decode

    def struct(self, group: Group) -> object:
        """A group as a struct of this form."""
        rollouts = [self._struct(rollout) for rollout in group.rollouts]
        return self._group(
            group.group_id, group.role, group.kind, group.task_id, self._write(group.prompt),
            group.temperature, rollouts, group.created_ns,
        )  # fmt: skip

    def _struct(self, rollout: Rollout) -> object:
        return self._rollout(
            rollout.rollout_id, self._write(rollout.tokens), self._write(rollout.logprobs),
            rollout.versions, rollout.reward, dict(rollout.components), rollout.finish,
            rollout.verdict,
        )  # fmt: skip


_LISTS: Final = Form(list[int], list[float], write=lambda array: array.tolist())
_RAW: Final = Form(memoryview, memoryview, write=lambda array: array.data.cast("B"))


def _structs(groups: Sequence[Group]) -> list[object]:
    return [_LISTS.struct(group) for group in groups]


def _from_lists(records: list[bytes]) -> Arrays:
    groups = [_LISTS.decode(record) for record in records]
    for group in groups:
        np.array(group.prompt, dtype=np.uint32)
    return [
        (np.array(r.tokens, dtype=np.uint32), np.array(r.logprobs, dtype=np.float32))
        for group in groups
        for r in group.rollouts
    ]


def _from_raw(records: list[bytes]) -> Arrays:
    groups = [_RAW.decode(record) for record in records]
    for group in groups:
        np.frombuffer(group.prompt, dtype="<u4")
    return [
        (np.frombuffer(r.tokens, dtype="<u4"), np.frombuffer(r.logprobs, dtype="<f4"))
        for group in groups
        for r in group.rollouts
    ]


CODECS: Final = (
    Codec(
        key="msgspec",
        name="msgspec structs, lists",
        prepare=_structs,
        encode=lambda structs: map(_LISTS.encode, structs),
        decode=_from_lists,
    ),
    Codec(
        key="msgspec-raw",
        name="msgspec structs, raw arrays",
        prepare=list,
        encode=lambda groups: (_RAW.encode(_RAW.struct(group)) for group in groups),
        decode=_from_raw,
    ),
)
