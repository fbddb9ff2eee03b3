"""The tables of the ring's benchmark, in Markdown."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.channels import depth_at
from benchmarks.peers import PEERS, capacity_at
from benchmarks.streams import Cell, Latency
from benchmarks.targets import Target

if TYPE_CHECKING:
    from benchmarks.formats import Coded

_NAMES = {peer.key: peer.name for peer in PEERS}


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns are of numbers, but those whose heading begins with a blank are of text."""
    rule = ["---" if heading.startswith(" ") else "---:" for heading in headings]
    lines = [[heading.strip() for heading in headings], rule, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def peers_table(keys: Sequence[str]) -> str:
    """Who is who."""
    rows = [[p.name, _yes(p.checks), p.offers] for p in PEERS if p.key in keys]
    return markdown([" peer", " own check", " offers"], rows)


def sizes_table(check_us: Mapping[int, float]) -> str:
    """What does not depend on the peer, by size."""
    rows = [
        [f"{size:,}", f"{depth_at(size):,}", f"{capacity_at(size):,}", f"{us:,.2f}"]
        for size, us in check_us.items()
    ]
    return markdown(["bytes", "depth", "ring bytes", "check us"], rows)


def stream_table(cells: Sequence[Cell]) -> str:
    """A line for each peer at each size."""
    rows = [
        [
            f"{cell.size:,}",
            _NAMES[cell.peer],
            _yes(cell.checks),
            f"{cell.messages_per_s:,.0f}",
            f"{cell.low:,.0f} - {cell.high:,.0f}",
            f"{cell.mb_per_s:,.0f}",
            f"{cell.cpu_us:,.2f}",
            _ratio(cell.ring_ratio),
            _ratio(cell.batch_ratio),
        ]
        for cell in cells
    ]
    numbers = ["messages/s", "least - most", "MB/s", "CPU us", "ring /", "batch /"]
    return markdown(["bytes", " peer", " own check", *numbers], rows)


def latency_table(latencies: Sequence[Latency]) -> str:
    """A line for each peer."""
    rows = [
        [
            _NAMES[latency.peer],
            f"{latency.round_trips:,}",
            f"{latency.p50_us:.1f}",
            f"{latency.low:.1f} - {latency.high:.1f}",
            f"{latency.p99_us:.1f}",
            f"{latency.max_us:,.0f}",
            f"{latency.cpu_us:.1f}",
            _ratio(latency.ring_ratio),
        ]
        for latency in latencies
    ]
    numbers = ["round trips", "p50", "least - most", "p99", "max", "CPU us", "ring /"]
    return markdown([" peer", *numbers], rows)


def codec_table(coded: "Sequence[Coded]") -> str:
    """A line for each codec."""
    rows = [
        [
            one.name,
            _yes(one.executes),
            f"{one.bytes_per_token:.2f}",
            f"{one.encode_ns:.2f}",
            f"{one.encode_low:.2f} - {one.encode_high:.2f}",
            f"{one.decode_ns:.2f}",
            f"{one.decode_low:.2f} - {one.decode_high:.2f}",
        ]
        for one in coded
    ]
    numbers = ["bytes/token", "encode", "least - most", "decode", "least - most"]
    return markdown([" codec", " can run code", *numbers], rows)


def targets_table(targets: Sequence[Target]) -> str:
    """What the run was meant to show, and whether it did."""
    rows = [[t.what, t.spelled, f"{t.seen:,.2f}", _yes(t.is_met)] for t in targets]
    return markdown([" target", "meant", "seen", " met"], rows)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
