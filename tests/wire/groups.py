"""Groups to try the wire with: any that there can be, one that is plain, and when two are equal."""

import math
from dataclasses import fields, is_dataclass, replace

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.wire import Finish, Group, Kind, Producer, Role, Rollout, Ruling, Sampling

ids = st.binary(min_size=16, max_size=16)
counts = st.integers(0, 5)
numbers = st.integers(0, 2**63)
floats = st.floats(allow_nan=True)


def arrays(dtype, *, length):
    elements = hnp.from_dtype(np.dtype(dtype))
    return hnp.arrays(dtype, length, elements=elements)


@st.composite
def rollouts(draw):
    versions = draw(st.lists(st.tuples(st.integers(0, 2**40), counts), max_size=3))
    length = sum(count for _, count in versions)
    return Rollout(
        rollout_id=draw(ids),
        tokens=draw(arrays(np.uint32, length=length)),
        logprobs=draw(arrays(np.float32, length=length)),
        versions=tuple(versions),
        reward=draw(floats),
        components=draw(st.dictionaries(st.text(), floats, max_size=3)),
        finish=draw(st.sampled_from(Finish)),
        verdict=draw(st.text()),
        mask=draw(st.none() | arrays(np.bool_, length=length)),
        ruling=draw(st.none() | st.builds(Ruling, ms=floats, judge=st.text())),
        timings_us=draw(st.none() | counts.flatmap(lambda n: arrays(np.uint32, length=n))),
    )


def groups(*, min_rollouts=0, max_rollouts=3):
    """Any whole group."""
    return st.builds(
        Group,
        group_id=ids,
        role=st.sampled_from(Role),
        kind=st.sampled_from(Kind),
        task_id=st.text(),
        prompt=counts.flatmap(lambda length: arrays(np.uint32, length=length)),
        temperature=floats,
        rollouts=st.lists(rollouts(), min_size=min_rollouts, max_size=max_rollouts).map(tuple),
        created_ns=numbers,
        parents=st.lists(st.text(), max_size=3).map(tuple),
        sampling=st.none()
        | st.builds(
            Sampling, top_p=floats, max_tokens=st.none() | numbers, seed=st.none() | numbers
        ),
        producer=st.none()
        | st.builds(Producer, engine=st.text(), epoch=numbers, checksum=st.none() | st.text()),
    )


def plain(value):
    """A value as lists of comparable things: arrays to the bit, NaN equal to itself."""
    if isinstance(value, np.ndarray):
        return [str(value.dtype), value.tobytes()]
    if is_dataclass(value):
        return [plain(getattr(value, field.name)) for field in fields(value)]
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    return value


def assert_same(one, other):
    assert plain(one) == plain(other)


def a_group(*, num_rollouts=2, group_id=bytes(range(16)), **given):
    """An ordinary group."""
    rollouts = tuple(
        Rollout(
            rollout_id=number.to_bytes(16, "big"),
            tokens=np.array([5, 6], np.uint32),
            logprobs=np.array([-0.5, -1.5], np.float32),
            versions=((3, 1), (4, 1)),
            reward=1.0,
            components={"correct": 1.0},
            finish=Finish.STOP,
            verdict="ok",
        )
        for number in range(num_rollouts)
    )
    usual = {
        "role": Role.SOLVER,
        "kind": Kind.ABDUCTION,
        "task_id": "t",
        "prompt": np.array([1, 2, 3], np.uint32),
        "temperature": 1.0,
        "created_ns": 7,
    }
    return Group(group_id=group_id, rollouts=rollouts, **usual | given)


def a_detailed_group():
    """One that leaves nothing out."""
    group = a_group(
        parents=("p", "q"),
        sampling=Sampling(top_p=0.9, max_tokens=64, seed=11),
        producer=Producer(engine="engine", epoch=2, checksum="c"),
    )
    rollout = replace(
        group.rollouts[0],
        mask=np.array([True, False]),
        ruling=Ruling(ms=1.5, judge="j"),
        timings_us=np.array([10, 20, 30], np.uint32),
    )
    return replace(group, rollouts=(rollout, replace(rollout, rollout_id=b"2" * 16)))
