"""The parts `stream` and `latency` of the ring's benchmark: every peer in turns, then the tables.

Medians are over the rounds. A ratio is taken within a round, where a busy host disturbed both
sides alike, and its median is shown.
"""

import contextlib
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.channels import Plan, depth_at
from benchmarks.pair import Pair, Played
from benchmarks.peers import BATCHED, OURS, Peer
from benchmarks.progress import say
from benchmarks.sides import Asking, Echoing, Receiving, Sending
from sandbox.bench import quantile

PING_BYTES: Final = 64
_WARM_LAPS: Final = 2
"""Warm-up, in fillings of the channel: every page of it has then been touched."""
_FEWEST_LAPS: Final = 4
"""A stream that fits into the channel would measure one side after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One peer at one size. Medians over the rounds."""

    size: int
    peer: str
    checks: bool
    depth: int
    messages: int
    """In each round."""
    messages_per_s: float
    low: float
    high: float
    mb_per_s: float
    cpu_us: float
    """Per message, of both processes."""
    ring_ratio: float | None
    """The ring's rate over this peer's; None without the ring in the run."""
    batch_ratio: float | None
    """The same of the ring's batches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Half round trips of one peer, microseconds."""

    peer: str
    round_trips: int
    p50_us: float
    low: float
    high: float
    """The median's spread over the rounds."""
    p99_us: float
    max_us: float
    cpu_us: float
    """Per message, of both processes."""
    ring_ratio: float | None
    """The ring's median over this peer's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How much is measured, and where files may lie."""

    rounds: int
    seconds: float
    """About so long is each play of a stream."""
    round_trips: int
    """In each round."""
    directory: Path


def streams(peers: Sequence[Peer], sizes: Sequence[int], course: Course) -> list[Cell]:
    """Every peer at every size."""
    return [cell for size in sizes for cell in _at_size(peers, size, course)]


def _at_size(peers: Sequence[Peer], size: int, course: Course) -> list[Cell]:
    with contextlib.ExitStack() as stack:
        pairs = {}
        for peer in peers:
            say(f"{size:,} bytes, starting {peer.name}")
            pairs[peer.key] = stack.enter_context(streaming(peer, size, course.directory))
        counts = {key: _warm_up(pair, size, course) for key, pair in pairs.items()}
        played = _in_turns(
            pairs, lambda key: pairs[key].play(counts[key]), what=f"{size:,} bytes", course=course
        )
    rates = {key: [play.messages_per_s for play in plays] for key, plays in played.items()}
    return [
        Cell(
            size=size,
            peer=peer.key,
            checks=peer.checks,
            depth=depth_at(size),
            messages=counts[peer.key],
            messages_per_s=(rate := statistics.median(rates[peer.key])),
            low=min(rates[peer.key]),
            high=max(rates[peer.key]),
            mb_per_s=rate * size / 1e6,
            cpu_us=statistics.median(play.cpu_us for play in played[peer.key]),
            ring_ratio=_ratio(rates.get(OURS), rates[peer.key]),
            batch_ratio=_ratio(rates.get(BATCHED), rates[peer.key]),
        )
        for peer in peers
    ]


def _warm_up(pair: Pair, size: int, course: Course) -> int:
    """Messages that take this pair about `course.seconds`."""
    depth = depth_at(size)
    warm = pair.play(_WARM_LAPS * depth)
    return max(_FEWEST_LAPS * depth, math.ceil(warm.messages_per_s * course.seconds))


def latencies(peers: Sequence[Peer], course: Course) -> list[Latency]:
    """Every peer, one message there and back, again and again."""
    with contextlib.ExitStack() as stack:
        pairs = {}
        for peer in peers:
            say(f"back and forth, starting {peer.name}")
            pairs[peer.key] = stack.enter_context(pinging(peer, course.directory))
        for pair in pairs.values():
            pair.play(max(1, course.round_trips // 10))
        played = _in_turns(
            pairs,
            lambda key: pairs[key].play(course.round_trips),
            what="back and forth",
            course=course,
        )
    medians = {
        key: [statistics.median(play.seconds) * 5e5 for play in plays]
        for key, plays in played.items()
    }
    return [_latency(peer.key, played[peer.key], medians) for peer in peers]


def _latency(key: str, plays: Sequence[Played], medians: Mapping[str, Sequence[float]]) -> Latency:
    halves_us = sorted(second * 5e5 for play in plays for second in play.seconds)
    return Latency(
        peer=key,
        round_trips=len(halves_us),
        p50_us=quantile(halves_us, 0.50),
        low=min(medians[key]),
        high=max(medians[key]),
        p99_us=quantile(halves_us, 0.99),
        max_us=halves_us[-1],
        cpu_us=statistics.median(play.cpu_us for play in plays) / 2,
        ring_ratio=_ratio(medians.get(OURS), medians[key]),
    )


@contextlib.contextmanager
def streaming(peer: Peer, size: int, directory: Path) -> Iterator[Pair]:
    """The peer's two processes: one sends, one receives."""
    channel = peer.open(Plan(size=size, directory=directory, use=f"{peer.key}-{size}"))
    sides = (Sending(channel=channel, size=size), Receiving(channel=channel, size=size))
    with Pair(peer.name, sides) as pair:
        channel.close()
        yield pair


@contextlib.contextmanager
def pinging(peer: Peer, directory: Path) -> Iterator[Pair]:
    """The peer's two processes: one asks, one echoes."""
    there, back = (
        peer.open(Plan(size=PING_BYTES, directory=directory, use=f"{peer.key}-{way}"))
        for way in ("there", "back")
    )
    sides = (Asking(there=there, back=back, size=PING_BYTES), Echoing(there=there, back=back))
    with Pair(peer.name, sides) as pair:
        there.close()
        back.close()
        yield pair


def _in_turns(
    pairs: Mapping[str, Pair], play: Callable[[str], Played], *, what: str, course: Course
) -> dict[str, list[Played]]:
    played: dict[str, list[Played]] = {key: [] for key in pairs}
    for number in range(course.rounds):
        for key, plays in played.items():
            say(f"{what}, round {number + 1} of {course.rounds}: {key}")
            plays.append(play(key))
    say("")
    return played


def _ratio(ours: Sequence[float] | None, theirs: Sequence[float]) -> float | None:
    if ours is None:
        return None
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
