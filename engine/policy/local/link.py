"""What the engine and the model's process say to each other, over one socket.

Each message is a msgpack array: its name, then its fields in order; nested records are arrays too.
Both ends are of one installation, started together, so there are no versions of it.

    engine -> process    Open, then any of Submit, Abort, Load; Stop
    process -> engine    Ready or Failed, then a Delivery a step, Loaded or Refused for each Load
"""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final, TypeVar

import msgpack  # type: ignore[import-untyped]  # ships no types

from engine.policy.protocol import Chunk, SamplingParams
from engine.wire.messages import Finish

READ_BYTES: Final = 1 << 16

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalOptions:
    """How a model is run."""

    max_batch: int = 32
    """Completions decoded together; more of them wait."""
    threads: int | None = None
    """CPU threads of a matrix product; None leaves it to torch."""
    device: str = "cpu"
    """"cpu" or a GPU such as "cuda"."""
    dtype: str | None = None
    """Precision of the weights; None is float32 on a CPU, where it is the fast one, and the
    files' own on a GPU."""
    prefix_tokens: int = 16_384
    """Prompt tokens whose keys and values are kept for reuse."""
    recompute: bool = True
    """Whether new weights compute the keys and values of running completions anew."""

    def __post_init__(self) -> None:
        for name in ("max_batch", "threads", "prefix_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")


@dataclass(slots=True, kw_only=True)
class PolicyStats:
    """Counters since the model was opened."""

    tokens: int = 0
    """Tokens sampled."""
    prefill_tokens: int = 0
    """Prompt tokens computed."""
    reused_tokens: int = 0
    """Prompt tokens that a cached prompt spared."""
    prefix_hits: int = 0
    """Times a prompt was known, in whole or in part."""
    recomputed_tokens: int = 0
    """Sampled tokens of running completions that new weights have processed again."""
    prefill_s: float = 0.0
    """Wall-clock time in prompts."""
    decode_s: float = 0.0
    """Wall-clock time in decoding steps, drawing and text included."""
    swap_s: float = 0.0
    """Wall-clock time in taking weights, staging excluded."""
    steps: int = 0
    """Decoding steps; tokens / steps is the mean batch."""
    loads: int = 0
    """Weights taken."""
    running: int = 0
    """Rows in slots now."""
    waiting: int = 0
    """Rows without a slot now."""


@dataclass(frozen=True, slots=True)
class Open:
    """Load the model of a directory."""

    directory: str
    version: int
    options: LocalOptions


@dataclass(frozen=True, slots=True)
class Submit:
    """Start n completions of one prompt."""

    key: int
    """Names the request from now on."""
    tokens: tuple[int, ...]
    params: SamplingParams


@dataclass(frozen=True, slots=True)
class Abort:
    """Forget a request: nothing more is delivered. With an index: end that completion only."""

    key: int
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """Take new weights; `expected` has the checksum of each tensor, if it is known."""

    key: int
    directory: str
    version: int
    expected: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Stop:
    """End the process."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is there."""

    max_length: int
    """Tokens a prompt and its completion may have together."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one step drew, as (request, chunk), and the counters after it."""

    chunks: tuple[tuple[int, Chunk], ...]
    stats: PolicyStats


@dataclass(frozen=True, slots=True)
class Loaded:
    """Weights are taken; the checksum is of the model's own tensors."""

    key: int
    version: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Weights are not taken, the old ones stay."""

    key: int
    reason: str
    is_torn: bool
    """The files are not what was published, or not whole: they may yet be."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The process cannot go on."""

    reason: str


Message = Open | Submit | Abort | Load | Stop | Ready | Delivery | Loaded | Refused | Failed
_PLAIN: Final = {
    message.__name__: message for message in (Abort, Load, Stop, Ready, Loaded, Refused, Failed)
}
"""Messages without records in them."""


def encode(message: Message) -> bytes:
    """The bytes of a message."""
    packed: bytes = msgpack.packb([type(message).__name__, *_values(message)], default=_values)
    return packed


def decode(fields_: list[Any]) -> Message:
    """The message that these fields make; ValueError if they make none."""
    match fields_:
        case ["Open", directory, version, options]:
            return Open(directory, version, _record(LocalOptions, options))
        case ["Submit", key, tokens, params]:
            params[_STOPS] = tuple(params[_STOPS])
            return Submit(key, tuple(tokens), _record(SamplingParams, params))
        case ["Delivery", chunks, stats]:
            delivered = tuple((key, _chunk(*chunk)) for key, chunk in chunks)
            return Delivery(delivered, _record(PolicyStats, stats))
        case [str(name), *plain] if name in _PLAIN:
            return _PLAIN[name](*plain)
    raise ValueError(f"expected a message of the model's process, got {str(fields_)[:100]}")


class Decoding:
    """Messages out of bytes that arrive in pieces."""

    def __init__(self) -> None:
        self._unpacker = msgpack.Unpacker()

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that these bytes complete."""
        self._unpacker.feed(data)
        return map(decode, self._unpacker)


def receive(link: socket.socket) -> Iterator[Message]:
    """Messages until the other end is closed, or its process gone."""
    decoding = Decoding()
    while data := _read(link):
        yield from decoding.feed(data)


def _read(link: socket.socket) -> bytes:
    try:
        return link.recv(READ_BYTES)
    except OSError:  # reset, or closed at this end meanwhile
        return b""


def _values(record: object) -> list[object]:
    if not is_dataclass(record):
        raise TypeError(f"expected a record, got {type(record).__name__}")
    return [getattr(record, field.name) for field in fields(record)]


def _record(kind: type[R], values: list[Any]) -> R:
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # a dataclass
    return kind(**dict(zip(names, values, strict=True)))


def _chunk(
    index: int,
    text: str,
    tokens: list[int],
    logprobs: list[float],
    version: int,
    finish: str | None,
) -> Chunk:
    return Chunk(
        index=index,
        text=text,
        tokens=tuple(tokens),
        logprobs=tuple(logprobs),
        version=version,
        finish=None if finish is None else Finish(finish),
    )


_STOPS: Final = [field.name for field in fields(SamplingParams)].index("stop")
