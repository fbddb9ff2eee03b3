"""What a streamed reply of `/generate` says, event by event: pure functions of decoded JSON.

An event names all tokens of the request so far, or only the new ones (a server started with
`--incremental-streaming-output`); how many there are in all tells which. Each token belongs to a
span of weight versions (servers from 0.5.19 on), or to the one version of the event.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from engine.policy.errors import PolicyError

Event = Mapping[str, object]
ENDS: Final = frozenset({"stop", "length", "abort"})


class ProtocolError(PolicyError):
    """A server said what the client cannot read; the message has what was expected and seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What one event adds to a completion; the three sequences are equally long."""

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    """log p of each token at the sampling temperature."""
    labels: tuple[str, ...]
    """The server's name of the weights that drew each token."""
    end: str | None = None
    """`stop`, `length` or `abort` on the last event."""


class ReplyReader:
    """Reads the events of one request in order."""

    def __init__(self) -> None:
        self._num_tokens = 0

    def read(self, event: Event) -> Piece:
        """What this event adds; ProtocolError if it does not fit what came before."""
        if "error" in event:
            raise ProtocolError(f"the server's stream has an error: {str(event['error'])[:300]}")
        meta = event.get("meta_info")
        ids = event.get("output_ids")
        if not isinstance(meta, Mapping) or not isinstance(ids, list):
            raise ProtocolError(
                f"expected output_ids and meta_info in an event, got {sorted(event)}"
            )
        total = _whole(meta, "completion_tokens")
        num_new = total - self._num_tokens
        logprobs = meta.get("output_token_logprobs") or []
        if num_new < 0 or not isinstance(logprobs, list) or min(len(ids), len(logprobs)) < num_new:
            raise ProtocolError(
                f"expected the ids and log-probabilities of {num_new} new tokens, got {len(ids)} "
                f"ids and {len(logprobs) if isinstance(logprobs, list) else 'no'} "
                "log-probabilities"
            )
        first = self._num_tokens
        self._num_tokens = total
        return Piece(
            tokens=tuple(int(token) for token in ids[len(ids) - num_new :]),
            logprobs=tuple(float(entry[0]) for entry in logprobs[len(logprobs) - num_new :]),
            labels=_labels(meta, first, total),
            end=_end(meta),
        )


def _whole(meta: Mapping[str, object], key: str) -> int:
    value = meta.get(key)
    if type(value) is not int:
        raise ProtocolError(f"expected a number as meta_info.{key}, got {value!r}")
    return value


def _labels(meta: Mapping[str, object], first: int, total: int) -> tuple[str, ...]:
    """The label of each token from `first` to `total`, by span or by the event's own."""
    own = str(meta.get("weight_version", ""))
    labels = [own] * (total - first)
    spans = meta.get("weight_versions")
    for span in spans if isinstance(spans, Sequence) else ():
        start, end = max(int(span["start"]), first), min(int(span["end"]), total)
        if start < end:
            labels[start - first : end - first] = [str(span["version"])] * (end - start)
    return tuple(labels)


def _end(meta: Mapping[str, object]) -> str | None:
    reason = meta.get("finish_reason")
    if reason is None:
        return None
    kind = str(reason.get("type")) if isinstance(reason, Mapping) else str(reason)
    if kind not in ENDS:
        raise ProtocolError(f"expected a finish_reason of {sorted(ENDS)}, got {reason!r}")
    return kind
