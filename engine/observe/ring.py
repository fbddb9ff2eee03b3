"""The header of a ring as people read it, and as programs do."""

from collections.abc import Iterator, Mapping

from engine.observe import quantities
from engine.wire.ring import layout
from engine.wire.ring.claim import Liveness
from engine.wire.ring.header import EndStat, RingStat


def lines(stat: RingStat) -> Iterator[tuple[str, str]]:
    """What it is, what is in it and who holds it: (name, text) each."""
    checksum = "no known checksum" if stat.checksum is None else stat.checksum.name.lower()
    yield (
        "ring",
        (
            f"{stat.path}, {quantities.size(stat.capacity)}, layout {stat.layout}, {checksum}, "
            f"run {stat.run_id.hex()}"
        ),
    )
    state = "no known state" if stat.state is None else stat.state.name.lower()
    yield "state", f"{state}: {stat.reason}" if stat.reason else state
    yield (
        "records",
        (
            f"{stat.next_seq} pushed, {stat.read_seq} popped, {stat.committed.seq} committed: "
            f"{stat.num_waiting} wait to be popped, {stat.num_uncommitted} are not committed"
        ),
    )
    used = f"{100 * stat.used_bytes / stat.capacity:.0f} %" if stat.capacity else "?"
    yield (
        "bytes",
        (
            f"{quantities.size(stat.used_bytes)} used ({used}), "
            f"{quantities.size(stat.free_bytes)} free; tail {stat.tail}, "
            f"committed {stat.committed.position}"
        ),
    )
    began = f"; epoch {stat.epoch}, from record {stat.epoch_seq} on"
    yield "writer", f"{end_text(stat.writer)}{began}"
    yield "reader", end_text(stat.reader)
    if damage := _damage(stat):
        yield "damaged", f"{damage}; `engine queue fsck` says what else"


def end_text(end: EndStat) -> str:
    """Who holds an end, and whether it runs."""
    if end.liveness is Liveness.NEVER:
        return "nobody yet"
    beat = "" if end.heartbeat_age_s is None else f", heartbeat {beat_text(end)} ago"
    if end.liveness is Liveness.DEAD and not end.pid:
        return f"nobody: the last one has let go{beat}"
    fate = end.liveness.value
    if end.is_suspended:
        fate = "hung (suspended)"
    elif end.liveness is Liveness.DEAD:
        fate = "dead (killed)"
    return f"pid {end.pid} {fate}{beat}, started at tick {end.start_ticks}"


def beat_text(end: EndStat) -> str:
    """The age of the heartbeat."""
    return quantities.age(max(0.0, end.heartbeat_age_s or 0.0))


def row(stat: RingStat) -> Mapping[str, object]:
    """All of it as plain values."""
    return {
        "path": str(stat.path),
        "file_bytes": stat.file_bytes,
        "is_ring": stat.is_ring,
        "layout": stat.layout,
        "capacity": stat.capacity,
        "run_id": stat.run_id.hex(),
        "checksum": None if stat.checksum is None else stat.checksum.name.lower(),
        "epoch": stat.epoch,
        "epoch_seq": stat.epoch_seq,
        "next_seq": stat.next_seq,
        "tail": stat.tail,
        "read_seq": stat.read_seq,
        "committed_seq": stat.committed.seq,
        "committed_position": stat.committed.position,
        "used_bytes": stat.used_bytes,
        "free_bytes": stat.free_bytes,
        "state": None if stat.state is None else stat.state.name.lower(),
        "reason": stat.reason,
        "writer": _end_row(stat.writer),
        "reader": _end_row(stat.reader),
        "is_settled": stat.is_settled,
    }


def _end_row(end: EndStat) -> Mapping[str, object]:
    return {
        "pid": end.pid,
        "start_ticks": end.start_ticks,
        "liveness": end.liveness.value,
        "is_suspended": end.is_suspended,
        "heartbeat_age_s": end.heartbeat_age_s,
    }


def _damage(stat: RingStat) -> str:
    """The first thing in the header that cannot be, in words; empty if there is none."""
    must = layout.HEADER_BYTES + stat.capacity
    checks = (
        (stat.is_ring, "the magic is wrong"),
        (stat.layout == layout.LAYOUT_VERSION, f"layout {stat.layout} is not known"),
        (stat.file_bytes == must, f"the file is {stat.file_bytes} bytes, not {must}"),
        (stat.checksum is not None, "the kind of checksum is not known"),
        (stat.state is not None, "the state is not known"),
        (0 <= stat.used_bytes <= stat.capacity, "tail and committed cursor do not fit"),
        (stat.committed.seq <= stat.read_seq <= stat.next_seq, "the numbers do not fit"),
    )
    return next((text for is_right, text in checks if not is_right), "")
