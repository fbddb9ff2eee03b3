"""Drawing tasks without replacement, by weight, from several pools at once.

The pools' weights lie end to end on a line; a point on it is a task. What was drawn already is cut
out of the line, so no draw is ever thrown away, and which tasks come depends on the dice and on
the stored counts alone: the same after a restart.
"""

import bisect
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from engine.tasks.pools import Place, Pool, Pools, Weighting


class Span(NamedTuple):
    """A stretch of a pool's weight."""

    pool: Pool
    low: int
    high: int


class Drawn(NamedTuple):
    """A task's pool and its place there."""

    pool: Pool
    place: Place


def draw(
    dice: random.Random, pools: Pools, spans: Sequence[Span], *, n: int, weighting: Weighting
) -> Iterator[Drawn]:
    """`n` tasks of the spans, or all there are, none twice, in the order they were drawn."""
    left = sum(span.high - span.low for span in spans)
    taken: list[tuple[int, int]] = []
    for _ in range(n):
        if not left:
            return
        offset, span, at = _point(_skip(dice.randrange(left), taken), spans)
        place = pools.find(span.pool, at, weighting)
        bisect.insort(taken, (offset + place.start - span.low, place.weight))
        left -= place.weight
        yield Drawn(span.pool, place)


def _skip(at: int, taken: Sequence[tuple[int, int]]) -> int:
    """A point of the line without what was taken, as a point of the whole line."""
    for start, weight in taken:
        if start > at:
            break
        at += weight
    return at


def _point(at: int, spans: Sequence[Span]) -> tuple[int, Span, int]:
    """Where the point's span begins on the line, the span, and the point within its pool."""
    offset = 0
    for span in spans:
        if at < offset + span.high - span.low:
            return offset, span, span.low + at - offset
        offset += span.high - span.low
    raise IndexError(f"expected a point before {offset}, got {at}")
