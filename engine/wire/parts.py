"""Groups too large for one record: split into parts, and joined again.

Guarantees. The parts of a group, each encoded, are within the limit; joined, they are the group, to
the bit. A joined group has all of its parts, in order, and parts of no other: whatever is missing,
doubled, out of order, foreign or contradictory costs the whole group it concerns, is said in a
`QuarantinedRecord`, and never makes another group.

Mechanism. A part is a group with some of the rollouts and `part`, its place. Parts of one group
follow each other in the ring, so there is one group open at a time, and anything but its next part
ends it. That an incomplete group ends as soon as that is known, and not when its rest is overdue,
matters: a trainer that waited for the rest might wait for an engine that waits for the trainer.

Pure: no I/O, nothing waits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Final

from engine.wire.codec import encode_group
from engine.wire.errors import QuarantinedRecord, WireError
from engine.wire.messages import MAX_ITEMS, WHOLE, Group, Part, Rollout

_LIST_HEADER: Final = 4
"""Bytes by which the header of a list of rollouts may outgrow that of an empty one."""


def split_group(group: Group, *, limit: int) -> tuple[Group, ...]:
    """The group itself if a record of `limit` bytes holds it, else its parts, as few as need be.

    Order is kept. Raises WireError if one rollout alone does not fit.
    """
    if group.part != WHOLE:
        raise ValueError(f"expected a whole group, got {group.part} of {group.group_id.hex()}")
    if len(group.rollouts) <= MAX_ITEMS and len(encode_group(group)) <= limit:
        return (group,)
    runs = _runs(group, limit=limit)
    return tuple(
        replace(group, rollouts=group.rollouts[start:end], part=Part(index=i, count=len(runs)))
        for i, (start, end) in enumerate(runs)
    )


def _runs(group: Group, *, limit: int) -> list[tuple[int, int]]:
    """Where to cut: each run of rollouts is as long as fits."""
    most = max(2, len(group.rollouts))  # the more parts there are, the longer is a part's number
    head = _size(group, part=Part(index=most - 1, count=most)) + _LIST_HEADER
    empty = _size(group, part=WHOLE)
    room = limit - head
    if room < 0:
        raise WireError(
            f"group {group.group_id.hex()} takes {head} bytes without its rollouts, a record "
            f"holds {limit}; make the ring larger, or prompts shorter"
        )
    starts, used = [0], 0
    for i, rollout in enumerate(group.rollouts):
        size = _size(group, rollout, part=WHOLE) - empty
        if size > room:
            raise WireError(
                f"rollout {i} of group {group.group_id.hex()} takes {size} bytes and what its "
                f"record repeats {head}, a record holds {limit}; make the ring larger, or prompts "
                "and completions shorter"
            )
        if used + size > room or i - starts[-1] == MAX_ITEMS:
            starts.append(i)
            used = 0
        used += size
    return list(zip(starts, [*starts[1:], len(group.rollouts)], strict=True))


def _size(group: Group, *rollouts: Rollout, part: Part) -> int:
    return len(encode_group(replace(group, rollouts=rollouts, part=part)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Joined:
    """What came of one part."""

    group: Group | None = None
    """The group that it completes."""
    lost: QuarantinedRecord | None = None
    """Why the group that was open until now will not be completed."""
    refused: QuarantinedRecord | None = None
    """Why this part is of no group."""


@dataclass(slots=True)
class Rejoiner:
    """Whole groups from decoded ones in ring order; remembers the id of every group it has seen."""

    _open: list[Group] = field(default_factory=list, init=False)
    """The first parts of one group."""
    _seen: set[bytes] = field(default_factory=set, init=False)

    @property
    def is_open(self) -> bool:
        """True between the first part of a group and its last: the next part is still to come."""
        return bool(self._open)

    def add(self, group: Group) -> Joined:
        """Take the next whole group or part."""
        lost = None
        if self._open:
            fault = _fault(self._open, group)
            if fault is None:
                return self._extend(group)
            lost = self.cut(str(fault))
            if group.group_id in self._seen:
                return Joined(lost=lost, refused=fault)
        if group.group_id in self._seen or group.part.index:
            return Joined(lost=lost, refused=_stray(group, is_seen=group.group_id in self._seen))
        self._seen.add(group.group_id)
        if group.part.count == 1:
            return Joined(group=group, lost=lost)
        self._open = [group]
        return Joined(lost=lost)

    def cut(self, reason: str) -> QuarantinedRecord | None:
        """Give up the open group, if any: the next record is none of its parts, or none comes."""
        if not self._open:
            return None
        first = self._open[0]
        seen, self._open = len(self._open), []
        return _quarantined(
            f"group {first.group_id.hex()} is incomplete after {seen} of {first.part.count} parts: "
            f"{reason}"
        )

    def _extend(self, group: Group) -> Joined:
        self._open.append(group)
        if len(self._open) < group.part.count:
            return Joined()
        parts, self._open = self._open, []
        rollouts = tuple(rollout for part in parts for rollout in part.rollouts)
        return Joined(group=replace(parts[0], rollouts=rollouts, part=WHOLE))


def _fault(parts: Sequence[Group], group: Group) -> QuarantinedRecord | None:
    """Why `group` is not the part that must follow these, or None."""
    first, place = parts[0], group.part
    name = f"part {place.index} of {place.count} of group {group.group_id.hex()}"
    expected = f"expected part {len(parts)} of {first.part.count} of group {first.group_id.hex()}"
    if group.group_id != first.group_id:
        return _quarantined(f"{expected}, got {name}")
    if place.count != first.part.count:
        return _quarantined(f"{expected}, got {name}: the counts contradict each other")
    if place.index != len(parts):
        what = "it was there before" if place.index < len(parts) else "one between is missing"
        return _quarantined(f"{expected}, got {name}: {what}")
    if culprit := _contradiction(first, group):
        return QuarantinedRecord(
            f"{name} has another {culprit} than part 0 of the same group", field=f"group.{culprit}"
        )
    return None


def _contradiction(first: Group, group: Group) -> str | None:
    """The first field, other than rollouts and part, in which two parts differ."""
    head = encode_group(replace(first, rollouts=(), part=WHOLE))
    if encode_group(replace(group, rollouts=(), part=WHOLE)) == head:
        return None
    names = [each.name for each in fields(Group) if each.name not in ("rollouts", "part")]
    for name in names:
        mixed = replace(first, rollouts=(), part=WHOLE, **{name: getattr(group, name)})
        if encode_group(mixed) != head:
            return name
    raise AssertionError("two heads that differ in no field")


def _stray(group: Group, *, is_seen: bool) -> QuarantinedRecord:
    name = f"part {group.part.index} of {group.part.count} of group {group.group_id.hex()}"
    if is_seen:
        return _quarantined(f"{name} comes after that group has ended")
    return _quarantined(f"{name} comes without the parts before it")


def _quarantined(message: str) -> QuarantinedRecord:
    return QuarantinedRecord(message, field="group.part")
