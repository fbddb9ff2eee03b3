"""What the wire is meant to reach, and whether a run did. Nothing fails on it: hosts differ."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.peers import OURS
from benchmarks.streams import Cell, Latency


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One figure of a run beside what it is meant to be."""

    what: str
    seen: float
    bound: float
    is_floor: bool

    @property
    def is_met(self) -> bool:
        return self.seen >= self.bound if self.is_floor else self.seen <= self.bound

    @property
    def spelled(self) -> str:
        """The bound with its direction."""
        return f"{'>=' if self.is_floor else '<='} {self.bound:g}"


def of_streams(cells: Sequence[Cell]) -> list[Target]:
    """Those that the cells have a figure for."""
    found = []
    for c in cells:
        if (c.peer, c.size) == ("queue", 4096) and c.ring_ratio is not None:
            what = "ring / multiprocessing.Queue, messages/s at 4 KiB"
            found.append(Target(what=what, seen=c.ring_ratio, bound=2.0, is_floor=True))
        if (c.peer, c.size) == (OURS, 65_536):
            what = "ring, MB/s at 64 KiB, checked"
            found.append(Target(what=what, seen=c.mb_per_s, bound=2500.0, is_floor=True))
        if c.peer == "zmq" and c.size in (256, 4096) and c.batch_ratio is not None:
            what = f"ring in batches / ZeroMQ, messages/s at {c.size} bytes"
            found.append(Target(what=what, seen=c.batch_ratio, bound=1.0, is_floor=True))
    return found


def of_latencies(latencies: Sequence[Latency]) -> list[Target]:
    """The ring's, without batches."""
    return [
        target
        for latency in latencies
        if latency.peer == OURS
        for target in (
            Target(what="ring, half round trip p50, us", seen=latency.p50_us, bound=10.0,
                   is_floor=False),
            Target(what="ring, half round trip p99, us", seen=latency.p99_us, bound=1000.0,
                   is_floor=False),
        )
    ]  # fmt: skip


def of_codec(encode_ns: float) -> list[Target]:
    """Ours."""
    what = "encoding, ns a token"
    return [Target(what=what, seen=encode_ns, bound=3.0, is_floor=False)]
