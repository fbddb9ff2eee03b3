"""Slots in shared memory, each with a flag that says full or empty; both sides poll.

The idea of vLLM's `shm_broadcast` for one reader, and the limit of what two Python processes can
do: no system call but the yield while polling, which burns a core on either side, busy or idle. A
kill of either side loses the messages, and nothing is checked. Right only on a machine that shows
stores in order, as x86 does.
"""

import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from benchmarks.channels import Channel, Plan, Send

_MAX_SLOTS: Final = 64
_LINE: Final = 128
"""Bytes before a slot's payload: its flag and its length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotChannel(Channel):
    """Sixty-four slots, or as many as `depth_at` allows."""

    path: Path
    slot_bytes: int
    num_slots: int

    @classmethod
    def open(cls, plan: Plan) -> Self:
        slot_bytes = _LINE + (plan.size + _LINE - 1) // _LINE * _LINE
        num_slots = min(plan.depth, _MAX_SLOTS)
        plan.file.touch()
        os.truncate(plan.file, slot_bytes * num_slots)
        return cls(path=plan.file, slot_bytes=slot_bytes, num_slots=num_slots)

    @contextmanager
    def sending(self) -> Iterator[Send]:
        with self._mapped() as (raw, words):
            starts = self._starts()

            def send(messages: Sequence[bytes]) -> None:
                for message in messages:
                    start = next(starts)
                    while words[start >> 3]:
                        os.sched_yield()
                    words[(start >> 3) + 1] = len(message)
                    raw[start + _LINE : start + _LINE + len(message)] = message
                    words[start >> 3] = 1

            yield send

    @contextmanager
    def receiving(self) -> Iterator[Iterator[bytes]]:
        with self._mapped() as (raw, words):
            yield self._taken(raw, words)

    def _taken(self, raw: memoryview, words: "memoryview[int]") -> Iterator[bytes]:
        for start in self._starts():
            while not words[start >> 3]:
                os.sched_yield()
            begin = start + _LINE
            message = bytes(raw[begin : begin + words[(start >> 3) + 1]])
            words[start >> 3] = 0
            yield message

    def _starts(self) -> Iterator[int]:
        size = self.num_slots * self.slot_bytes
        while True:
            yield from range(0, size, self.slot_bytes)

    @contextmanager
    def _mapped(self) -> Iterator[tuple[memoryview, "memoryview[int]"]]:
        with (
            self.path.open("r+b") as file,
            mmap.mmap(file.fileno(), 0) as mapped,
            memoryview(mapped) as raw,
            raw.cast("Q") as words,
        ):
            yield raw, words
