"""What the writer says about the stream: more may come, the rest is coming, nothing more comes."""

from enum import IntEnum
from typing import Final

from engine.wire.errors import WireError
from engine.wire.ring.layout import REASON, REASON_BYTES, STATE
from engine.wire.ring.memory import RingMemory

_REASON_AT: Final = 8 * REASON


class RingState(IntEnum):
    """How far the writer has got with its run."""

    OPEN = 0  # more records may come
    DRAINING = 1  # no new work is begun; records of work in flight may still come
    CLOSED = 2  # nothing more comes


def store_state(memory: RingMemory, state: RingState, *, reason: str) -> None:
    """The reason first: who sees the state sees its reason. Long reasons are cut."""
    text = reason.encode()[: REASON_BYTES - 1]
    memory.copy(_REASON_AT, text + b"\0")
    memory.store(STATE, state)


def load_state(memory: RingMemory) -> RingState:
    """The state. Raises WireError if the word is none of ours."""
    word = memory.load(STATE)
    if word not in RingState.__members__.values():
        raise WireError(f"{memory.path}: state must be 0, 1 or 2, is {word}; the file is damaged")
    return RingState(word)


def load_reason(memory: RingMemory) -> str:
    """The words that came with the state."""
    text = memory.read(_REASON_AT, length=REASON_BYTES)
    return text.split(b"\0", 1)[0].decode(errors="replace")
