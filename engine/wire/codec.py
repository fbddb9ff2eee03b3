"""Groups as bytes: a msgpack map with integer keys, arrays as raw little-endian blobs.

Guarantees. What was encoded decodes to the same, to the bit. Any bytes decode to a `Group` or raise
`QuarantinedRecord`, with time and memory bounded by their length: a length in them is believed only
as far as there are bytes. Nothing here can execute: no pickle. Decoded arrays are read-only, and
views of bytes that belong to the decoded message alone.

The schema number travels in the record's header, not in the payload. Within one schema keys may be
added, which raises the minor number: a reader ignores keys that it does not know, and takes the
default for those that it does not find. Removing or retyping one is a new schema number. A required
key that is missing, or any that is ill-typed, makes a `QuarantinedRecord` that names it.

Raw blobs cost 8 bytes a token (id and log-probability) and no work per token; lists of integers
would cost half as much again and dozens of times the time. Unpacking copies each blob once. That is
a small part of decoding and buys two things: arrays are aligned, which in the payload they would
not be, and a rollout that is kept does not keep the bytes of the others.
"""

from typing import Final

import msgpack  # type: ignore[import-untyped]  # ships no types

from engine.wire.errors import QuarantinedRecord, WireError
from engine.wire.fields import Fields
from engine.wire.mask import pack_mask, unpack_mask
from engine.wire.messages import (
    F32,
    MAX_ITEMS,
    U32,
    WHOLE,
    Finish,
    Group,
    Kind,
    Micros,
    Part,
    Producer,
    Role,
    Rollout,
    Ruling,
    Sampling,
)

GROUP_SCHEMA: Final = 1
"""Schema number of `encode_group`'s payloads."""

_MINOR: Final = 1

# Names of keys 0, 1, 2, ...; a number, once used, is never given another meaning.
_GROUP: Final = (
    "minor", "group_id", "role", "kind", "task_id", "prompt", "temperature", "created_ns",
    "rollouts", "parents", "sampling", "producer", "part",
)  # fmt: skip
(
    _G_MINOR, _G_ID, _G_ROLE, _G_KIND, _G_TASK, _G_PROMPT, _G_TEMPERATURE, _G_CREATED,
    _G_ROLLOUTS, _G_PARENTS, _G_SAMPLING, _G_PRODUCER, _G_PART,
) = range(len(_GROUP))  # fmt: skip
_ROLLOUT: Final = (
    "rollout_id", "tokens", "logprobs", "versions", "reward", "components", "finish", "verdict",
    "mask", "ruling", "timings_us",
)  # fmt: skip
(
    _R_ID, _R_TOKENS, _R_LOGPROBS, _R_VERSIONS, _R_REWARD, _R_COMPONENTS, _R_FINISH, _R_VERDICT,
    _R_MASK, _R_RULING, _R_TIMINGS,
) = range(len(_ROLLOUT))  # fmt: skip
_SAMPLING: Final = ("top_p", "max_tokens", "seed")
_S_TOP_P, _S_MAX_TOKENS, _S_SEED = range(len(_SAMPLING))
_PRODUCER: Final = ("engine", "epoch", "checksum")
_P_ENGINE, _P_EPOCH, _P_CHECKSUM = range(len(_PRODUCER))
_RULING: Final = ("ms", "judge")
_V_MS, _V_JUDGE = range(len(_RULING))

_PACK_BYTES: Final = 1 << 15
"""What packing begins with, and grows from. The package's own megabyte comes from the system and
goes back to it each time on some of its malloc's whims, which costs more than packing."""

_ROLES: Final = {role.value: role for role in Role}
_KINDS: Final = {kind.value: kind for kind in Kind}
_FINISHES: Final = {finish.value: finish for finish in Finish}


def encode_group(group: Group) -> bytes:
    """The payload of one record.

    Raises WireError if a value cannot be sent, or there are more rollouts than a record may have.
    """
    if len(group.rollouts) > MAX_ITEMS or len(group.parents) > MAX_ITEMS:
        raise WireError(
            f"a record holds at most {MAX_ITEMS} rollouts and parents, got {len(group.rollouts)} "
            f"and {len(group.parents)}; split the group"
        )
    fields: dict[int, object] = {
        _G_MINOR: _MINOR,
        _G_ID: group.group_id,
        _G_ROLE: group.role,
        _G_KIND: group.kind,
        _G_TASK: group.task_id,
        _G_PROMPT: group.prompt.tobytes(),
        _G_TEMPERATURE: group.temperature,
        _G_CREATED: group.created_ns,
        _G_ROLLOUTS: [_rollout_fields(rollout) for rollout in group.rollouts],
    }
    if group.parents:
        fields[_G_PARENTS] = group.parents
    if group.sampling:
        fields[_G_SAMPLING] = _sampling_fields(group.sampling)
    if group.producer:
        fields[_G_PRODUCER] = _producer_fields(group.producer)
    if group.part != WHOLE:
        fields[_G_PART] = (group.part.index, group.part.count)
    return _pack(fields)


def decode_group(payload: bytes) -> Group:
    """The group in a payload. Raises QuarantinedRecord, naming the field, if it is not one."""
    fields = Fields(_unpack(payload), _GROUP, at="group")
    fields.option(_G_MINOR, int)
    rollouts = fields.need(_G_ROLLOUTS, list)
    return Group(
        group_id=fields.identifier(_G_ID),
        role=fields.member(_G_ROLE, _ROLES),
        kind=fields.member(_G_KIND, _KINDS),
        task_id=fields.need(_G_TASK, str),
        prompt=fields.array(_G_PROMPT, U32),
        temperature=fields.number(_G_TEMPERATURE),
        rollouts=tuple(
            _rollout(rollout, at=f"rollouts[{i}]") for i, rollout in enumerate(rollouts)
        ),
        created_ns=fields.need(_G_CREATED, int),
        parents=_parents(fields),
        sampling=fields.record(_G_SAMPLING, _SAMPLING, _sampling),
        producer=fields.record(_G_PRODUCER, _PRODUCER, _producer),
        part=_part(fields),
    )


def _rollout_fields(rollout: Rollout) -> dict[int, object]:
    fields: dict[int, object] = {
        _R_ID: rollout.rollout_id,
        _R_TOKENS: rollout.tokens.tobytes(),
        _R_LOGPROBS: rollout.logprobs.tobytes(),
        _R_VERSIONS: rollout.versions,
        _R_REWARD: rollout.reward,
        _R_COMPONENTS: rollout.components,
        _R_FINISH: rollout.finish,
        _R_VERDICT: rollout.verdict,
    }
    if rollout.mask is not None:
        fields[_R_MASK] = pack_mask(rollout.mask)
    if rollout.ruling is not None:
        fields[_R_RULING] = {_V_MS: rollout.ruling.ms, _V_JUDGE: rollout.ruling.judge}
    if rollout.timings_us is not None:
        fields[_R_TIMINGS] = rollout.timings_us.tobytes()
    return fields


def _rollout(value: object, *, at: str) -> Rollout:
    fields = Fields(value, _ROLLOUT, at=at)
    tokens = fields.array(_R_TOKENS, U32)
    try:
        return Rollout(
            rollout_id=fields.identifier(_R_ID),
            tokens=tokens,
            logprobs=fields.array(_R_LOGPROBS, F32),
            versions=_versions(fields),
            reward=fields.number(_R_REWARD),
            components=_components(fields),
            finish=fields.member(_R_FINISH, _FINISHES),
            verdict=fields.need(_R_VERDICT, str),
            mask=unpack_mask(fields, _R_MASK, num_tokens=len(tokens)),
            ruling=fields.record(_R_RULING, _RULING, _ruling),
            timings_us=_timings(fields),
        )
    except ValueError as error:  # the lengths of its arrays disagree
        raise QuarantinedRecord(f"{at} contradicts itself: {error}", field=at) from error


def _sampling_fields(sampling: Sampling) -> dict[int, object]:
    return {
        _S_TOP_P: sampling.top_p,
        _S_MAX_TOKENS: sampling.max_tokens,
        _S_SEED: sampling.seed,
    }


def _sampling(fields: Fields) -> Sampling:
    return Sampling(
        top_p=fields.number(_S_TOP_P),
        max_tokens=fields.option(_S_MAX_TOKENS, int),
        seed=fields.option(_S_SEED, int),
    )


def _producer_fields(producer: Producer) -> dict[int, object]:
    return {
        _P_ENGINE: producer.engine,
        _P_EPOCH: producer.epoch,
        _P_CHECKSUM: producer.checksum,
    }


def _producer(fields: Fields) -> Producer:
    return Producer(
        engine=fields.need(_P_ENGINE, str),
        epoch=fields.need(_P_EPOCH, int),
        checksum=fields.option(_P_CHECKSUM, str),
    )


def _ruling(fields: Fields) -> Ruling:
    return Ruling(ms=fields.number(_V_MS), judge=fields.need(_V_JUDGE, str))


def _parents(fields: Fields) -> tuple[str, ...]:
    parents = tuple(fields.option(_G_PARENTS, list) or ())
    if not all(type(parent) is str for parent in parents):
        raise fields.bad(_G_PARENTS, "a list of task ids")
    return parents


def _part(fields: Fields) -> Part:
    match fields.option(_G_PART, list):
        case None:
            return WHOLE
        case [index, count] if type(index) is type(count) is int and 0 <= index < count:
            return Part(index=index, count=count)
    raise fields.bad(_G_PART, "(index, count) with index below count")


def _versions(fields: Fields) -> tuple[tuple[int, int], ...]:
    runs = []
    for pair in fields.need(_R_VERSIONS, list):
        match pair:
            case [version, count] if type(version) is type(count) is int:
                if version < 0 or count < 0:
                    raise fields.bad(_R_VERSIONS, "pairs of numbers from 0 on")
                runs.append((version, count))
            case _:
                raise fields.bad(_R_VERSIONS, "pairs (version, count)")
    return tuple(runs)


def _components(fields: Fields) -> dict[str, float]:
    components: dict[str, float] = {}
    for name, value in fields.need(_R_COMPONENTS, dict).items():
        if type(name) is not str or type(value) not in (float, int):
            raise fields.bad(_R_COMPONENTS, "a map of names to floats")
        components[name] = float(value)
    return components


def _timings(fields: Fields) -> Micros | None:
    return None if fields.option(_R_TIMINGS, bytes) is None else fields.array(_R_TIMINGS, U32)


def _pack(fields: dict[int, object]) -> bytes:
    try:
        packed: bytes = msgpack.Packer(buf_size=_PACK_BYTES).pack(fields)
    except (TypeError, ValueError, OverflowError) as error:
        raise WireError(
            f"a group must hold plain numbers of at most 64 bits and text, got {error}; convert "
            "it where it is made"
        ) from error
    return packed


def _unpack(payload: bytes) -> object:
    try:
        unpacked: object = msgpack.unpackb(
            payload, strict_map_key=False, max_array_len=MAX_ITEMS, max_map_len=MAX_ITEMS
        )
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        raise QuarantinedRecord(
            f"expected one msgpack map, got {len(payload)} bytes that are not "
            f"({type(error).__name__} {error}); was the record written by another schema?",
            field="group",
        ) from error
    return unpacked
