"""A group cut into records is that group again, or it is named as lost; never another one."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.wire import (
    Finish,
    Kind,
    Part,
    Producer,
    Rejoiner,
    Role,
    Rollout,
    Sampling,
    WireError,
    decode_group,
    encode_group,
    split_group,
)
from engine.wire.messages import MAX_ITEMS
from tests.wire.groups import a_group, assert_same, groups, plain

SLACK = 16
"""Bytes that a part may stay below the limit for want of knowing its own number beforehand."""


def join(records):
    """What a reader makes of these groups and parts: whole groups, and what it had to say."""
    rejoiner = Rejoiner()
    found, faults = [], []
    for record in records:
        joined = rejoiner.add(record)
        found += [joined.group] if joined.group else []
        faults += [fault for fault in (joined.lost, joined.refused) if fault]
    last = rejoiner.cut("no record follows")
    assert not rejoiner.is_open
    return found, [*faults, *([last] if last else [])]


def least_limit(group):
    """The smallest record that takes the largest rollout of a group."""
    parts = [replace(group, rollouts=(rollout,)) for rollout in group.rollouts]
    return max(len(encode_group(part)) for part in parts) + SLACK


@given(groups(min_rollouts=1, max_rollouts=8), st.data())
def test_whatever_the_limit_the_parts_fit_and_joined_are_the_group(group, data):
    limit = data.draw(st.integers(least_limit(group), len(encode_group(group)) + SLACK))
    parts = split_group(group, limit=limit)
    payloads = [encode_group(part) for part in parts]
    assert max(map(len, payloads)) <= limit
    assert [part.part.index for part in parts] == list(range(len(parts)))
    assert {part.part.count for part in parts} == {len(parts)}
    assert {part.group_id for part in parts} == {group.group_id}
    found, faults = join([decode_group(payload) for payload in payloads])
    assert faults == []
    assert_same(found, [group])


@given(groups(min_rollouts=2, max_rollouts=8), st.data())
def test_there_are_no_more_parts_than_need_be(group, data):
    limit = data.draw(st.integers(least_limit(group), len(encode_group(group)) + SLACK))
    parts = split_group(group, limit=limit)
    if len(encode_group(group)) <= limit:
        assert parts == (group,)
    for first, second in pairwise(parts):
        both = replace(first, rollouts=(*first.rollouts, second.rollouts[0]))
        assert len(encode_group(both)) > limit - SLACK


@given(groups(max_rollouts=4), st.integers(0, 400))
def test_a_group_is_split_or_refused_whatever_the_limit(group, limit):
    try:
        parts = split_group(group, limit=limit)
    except WireError:
        return
    assert all(len(encode_group(part)) <= limit for part in parts)
    assert_same(join(parts), ([group], []))


def test_a_rollout_that_no_record_takes_is_named_with_its_size():
    group = a_group(num_rollouts=3)
    long = replace(
        group.rollouts[0],
        tokens=np.zeros(1000, np.uint32),
        logprobs=np.zeros(1000, np.float32),
        versions=((0, 1000),),
    )
    group = replace(group, rollouts=(group.rollouts[0], long, group.rollouts[2]))
    with pytest.raises(WireError, match=r"rollout 1 of group 0001.* takes 80\d\d bytes .* 4096"):
        split_group(group, limit=4096)


def test_a_prompt_that_no_record_takes_is_refused():
    group = a_group(num_rollouts=0, prompt=np.zeros(1000, np.uint32))
    with pytest.raises(WireError, match="without its rollouts, a record holds 4000"):
        split_group(group, limit=4000)


def test_a_part_is_not_split_again():
    part = replace(a_group(), part=Part(index=0, count=2))
    with pytest.raises(ValueError, match="expected a whole group"):
        split_group(part, limit=10_000)


def test_a_group_of_more_rollouts_than_a_record_takes_is_split_by_their_number():
    group = a_group(num_rollouts=1)
    empty = Rollout(
        rollout_id=bytes(16), tokens=np.empty(0, np.uint32), logprobs=np.empty(0, np.float32),
        versions=(), reward=0.0, components={}, finish=Finish.STOP, verdict="",
    )  # fmt: skip
    group = replace(group, rollouts=(empty,) * (MAX_ITEMS + 1))
    parts = split_group(group, limit=1 << 30)
    assert [len(part.rollouts) for part in parts] == [MAX_ITEMS, 1]
    assert len(join(parts)[0][0].rollouts) == MAX_ITEMS + 1


# -- faults


def some_parts(number, count):
    """A group of `count` rollouts and its parts, one rollout each (or the group, if it is one)."""
    group = a_group(num_rollouts=count, group_id=bytes([number]) * 16)
    if count == 1:
        return group, [group]
    places = [Part(index=i, count=count) for i in range(count)]
    return group, [
        replace(group, rollouts=(rollout,), part=place)
        for rollout, place in zip(group.rollouts, places, strict=True)
    ]


def is_faultless(records):
    """The slow twin: a stream is whole runs of parts 0 to count - 1, each of a group of its own."""
    at, seen = 0, set()
    while at < len(records):
        first = records[at]
        run = records[at : at + first.part.count]
        expected = [Part(index=i, count=first.part.count) for i in range(first.part.count)]
        is_run = [each.part for each in run] == expected
        if not is_run or {each.group_id for each in run} != {first.group_id}:
            return False
        if first.group_id in seen or {each.task_id for each in run} != {first.task_id}:
            return False
        seen.add(first.group_id)
        at += len(run)
    return True


def stray_before_its_group():
    (a, whole), (b, (b0, b1)) = some_parts(0, 1), some_parts(1, 2)
    return [a, b], [b1, *whole, b0, b1]


@st.composite
def streams(draw):
    """Groups, and a stream of their parts with some faults in it, or none."""
    made = [
        some_parts(number, draw(st.integers(1, 4))) for number in range(draw(st.integers(1, 4)))
    ]
    records = [part for _, parts in made for part in parts]
    for fault in draw(st.lists(st.sampled_from(["drop", "double", "move", "spoil"]), max_size=3)):
        if not records:
            break
        at = draw(st.integers(0, len(records) - 1))
        to = draw(st.integers(0, len(records) - 1))
        match fault:
            case "drop":
                del records[at]
            case "double":
                records.insert(to, records[at])
            case "move":
                records.insert(to, records.pop(at))
            case "spoil":
                count = records[at].part.count
                changes = [{"task_id": "another"}, {"part": Part(index=0, count=count + 1)}]
                records[at] = replace(records[at], **draw(st.sampled_from(changes)))
    return [group for group, _ in made], records


@given(streams())
@example(stray_before_its_group())
def test_any_fault_of_the_stream_is_said_and_none_makes_another_group(stream):
    originals, records = stream
    found, faults = join(records)
    assert bool(faults) == (not is_faultless(records))
    spoiled = Counter(each.group_id for each in records if each.task_id == "another")
    alike = [  # every part of it may have been spoiled in the same way
        replace(group, task_id="another")
        for group in originals
        if spoiled[group.group_id] >= len(group.rollouts)
    ]
    known = [plain(group) for group in [*originals, *alike]]
    for group in found:
        assert plain(group) in known
    ids = [group.group_id for group in found]
    assert len(set(ids)) == len(ids), "a group comes once"
    places = [whole_run(records, each) for each in ids]
    assert places == sorted(places), "groups come in the order of the ring"


def whole_run(records, group_id):
    """Where the first run of a group's parts begins that lacks none; strays may come before."""
    starts = (i for i, each in enumerate(records) if each.group_id == group_id)
    return next(
        i
        for i in starts
        if records[i].part.index == 0 and is_faultless(records[i : i + records[i].part.count])
    )


@given(streams())
def test_a_group_whose_parts_are_all_in_their_place_is_not_lost_to_the_faults_of_others(stream):
    originals, records = stream
    found, _ = join(records)
    ids = [record.group_id for record in records]
    for group in originals:
        at = [i for i, each in enumerate(ids) if each == group.group_id]
        if at and is_faultless(records[at[0] : at[-1] + 1]):
            assert group.group_id in {each.group_id for each in found}


def said(records):
    return [str(fault) for fault in join(records)[1]]


def test_each_fault_is_said_as_what_it_is():
    _, (a0, a1, a2) = some_parts(0xAA, 3)
    _, (b0, b1) = some_parts(0xBB, 2)
    a, b = "aa" * 16, "bb" * 16
    gap = f"expected part 1 of 3 of group {a}, got part 2 of 3 of group {a}: one between is missing"
    assert said([a0, a2]) == [f"group {a} is incomplete after 1 of 3 parts: {gap}", gap]
    assert said([a0, a1, a1])[1].endswith(f"got part 1 of 3 of group {a}: it was there before")
    foreign = f"expected part 1 of 3 of group {a}, got part 0 of 2 of group {b}"
    assert said([a0, b0, b1]) == [f"group {a} is incomplete after 1 of 3 parts: {foreign}"]
    assert said([b0]) == [f"group {b} is incomplete after 1 of 2 parts: no record follows"]
    assert said([b1]) == [f"part 1 of 2 of group {b} comes without the parts before it"]
    assert said([b0, b1, b1]) == [f"part 1 of 2 of group {b} comes after that group has ended"]
    other = replace(b1, part=Part(index=1, count=3))
    assert said([b0, other])[1].endswith("the counts contradict each other")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("role", Role.PROPOSER),
        ("kind", Kind.INDUCTION),
        ("task_id", "another"),
        ("prompt", np.array([1, 2, 4], np.uint32)),
        ("temperature", 0.5),
        ("created_ns", 8),
        ("parents", ("p",)),
        ("sampling", Sampling()),
        ("producer", Producer(engine="e", epoch=1)),
    ],
)
def test_parts_that_contradict_each_other_make_no_group(name, value):
    _, (first, second) = some_parts(7, 2)
    found, (lost, refused) = join([first, replace(second, **{name: value})])
    assert found == []
    assert refused.field == f"group.{name}"
    assert f"has another {name} than part 0" in str(lost)


def test_a_group_of_nan_is_joined_like_any_other():
    group, parts = some_parts(7, 3)
    hot = [replace(part, temperature=float("nan")) for part in parts]
    assert_same(join(hot), ([replace(group, temperature=float("nan"))], []))
