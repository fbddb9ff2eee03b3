"""A record as people read it, in one line, and as programs do, with every field.

Neither ever fails on what a record holds: a record that is whole and is no group, or is of another
schema, is shown as its error. Arrays become lists and identifiers hexadecimal text; numbers keep
their value, so a float that is not finite is NaN or Infinity, as in the other files of a run.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum

import numpy as np

from engine.observe import quantities
from engine.wire import GROUP_SCHEMA, Group, QuarantinedRecord, Record, decode_group
from engine.wire.findings import Finding
from engine.wire.ring.walk import Found, Overtaken

Row = Mapping[str, object]

_LONGEST_ID = 24


def headline(found: Found) -> str:
    """One line: which record it is, what it holds, or why it is not there."""
    if isinstance(found, Finding):
        return f"damaged at byte {found.offset}: {found.what}"
    if isinstance(found, Overtaken):
        return f"{_span(found)} are no longer there"
    head = (
        f"seq {found.seq}  epoch {found.epoch}  {quantities.size(len(found.payload))}  "
        f"schema {found.schema}"
    )
    group = _group(found)
    return f"{head}  {_line(group)}" if isinstance(group, Group) else f"{head}  {group['error']}"


def row(found: Found) -> Row:
    """Everything, as plain values: what is no group has the key `error`."""
    if isinstance(found, Finding):
        place = {"seq": found.seq, "epoch": found.epoch, "offset": found.offset}
        return {**place, "error": f"damaged: {found.what}"}
    if isinstance(found, Overtaken):
        return {"seq": found.first_seq, "end_seq": found.end_seq, "error": headline(found)}
    head = {"seq": found.seq, "epoch": found.epoch, "schema": found.schema}
    group = _group(found)
    if not isinstance(group, Group):
        return head | dict(group)
    return head | {field.name: _plain(getattr(group, field.name)) for field in fields(group)}


def _span(gap: Overtaken) -> str:
    last = gap.end_seq - 1
    return f"record {last}" if gap.first_seq == last else f"records {gap.first_seq} to {last}"


def _group(record: Record) -> Group | Row:
    """The group in a record, or what is wrong with it."""
    if record.schema != GROUP_SCHEMA:
        error = f"schema {record.schema}, this kelvin reads {GROUP_SCHEMA}"
        return {"error": error, "field": "schema"}
    try:
        return decode_group(record.payload)
    except QuarantinedRecord as error:
        return {"error": f"quarantined: {error}", "field": error.field}


def _line(group: Group) -> str:
    rewards = [rollout.reward for rollout in group.rollouts]
    mean = f"{sum(rewards) / len(rewards):.2f}" if rewards else "-"
    versions = sorted({v for rollout in group.rollouts for v, _ in rollout.versions})
    span = "-" if not versions else f"{versions[0]}..{versions[-1]}"
    task = group.task_id
    task = task if len(task) <= _LONGEST_ID else f"{task[: _LONGEST_ID - 3]}..."
    rollouts = quantities.count(len(rewards), "rollout")
    if group.part.count > 1:
        rollouts += f" (part {group.part.index + 1} of {group.part.count})"
    return (
        f"{group.role}/{group.kind}  task {ascii(task)[1:-1]}  {rollouts}  "
        f"reward {mean}  versions {span}"
    )


def _plain(value: object) -> object:
    """A message, or a part of one, as what JSON and msgpack both have."""
    match value:
        case np.ndarray():
            return value.tolist()
        case bytes():
            return value.hex()
        case tuple():
            return [_plain(each) for each in value]
        case Mapping():
            return {str(name): _plain(each) for name, each in value.items()}
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value.value if isinstance(value, StrEnum) else value
