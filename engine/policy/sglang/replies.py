"""What a streamed reply of `/generate` says, event by event: pure functions of decoded JSON.

An event names all tokens of the request so far, or only the new ones (a server started with
`--incremental-streaming-output`); how many there are in all tells which. Each token belongs to a
span of weight versions (servers from 0.5.19 on), or to the one version of the event.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from engine.policy.errors import PolicyError
from engine.policy.sglang.errors import ProtocolError, answered

Event = Mapping[str, object]
ENDS: Final = frozenset({"stop", "length", "abort"})


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
        """What this event adds; ProtocolError if it does not fit what came before.

        A stream has status 200 whatever comes of it, so an event may also be the server's Refusal
        or ServerError.
        """
        try:
            return self._read(event)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ProtocolError(f"expected an event, got {str(event)[:300]}: {error}") from error

    def _read(self, event: Event) -> Piece:
        if "error" in event:
            raise _error(event["error"])
        meta = event.get("meta_info")
        ids = event.get("output_ids")
        if not isinstance(meta, Mapping) or not isinstance(ids, list):
            raise ProtocolError(
                f"expected output_ids and meta_info in an event, got {sorted(event)}"
            )
        end = _end(meta)
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
            logprobs=tuple(_logprob(entry[0]) for entry in logprobs[len(logprobs) - num_new :]),
            labels=_labels(meta, first, total),
            end=end,
        )


def _whole(meta: Mapping[str, object], key: str) -> int:
    value = meta.get(key)
    if type(value) is not int:
        raise ProtocolError(f"expected a number as meta_info.{key}, got {value!r}")
    return value


def _logprob(value: object) -> float:
    """A model whose weights are broken has NaN or, as JSON has none, null."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ProtocolError(f"expected a finite log-probability, got {value!r}: broken weights?")
    return float(value)


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
    if isinstance(reason, Mapping) and isinstance(reason.get("status_code"), int):
        raise _error({"code": reason["status_code"], "message": reason.get("message")})
    return kind


def _error(error: object) -> PolicyError:
    """What an event with an error says."""
    if isinstance(error, Mapping) and isinstance(error.get("code"), int):
        code, message = error["code"], str(error.get("message"))
        return answered(code, f"the server answered {code}: {message[:300]}")
    return ProtocolError(f"the server's stream has an error: {str(error)[:300]}")
