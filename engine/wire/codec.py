"""Groups as bytes: a msgpack map with integer keys, arrays as raw little-endian blobs.

Raw blobs cost 8 bytes a token (id and log-probability) and no work per token; lists of integers
would cost half as much again and dozens of times the time. The schema number travels in the
record's header, not in the payload. Within one schema fields may be added: unknown keys are
ignored. Removing or retyping one is a new schema number. A required key that is missing or has
the wrong type makes a `QuarantinedRecord` that names it. Nothing here can execute: no pickle.

Decoded arrays are read-only views of bytes that belong to the decoded message alone.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

import msgpack  # type: ignore[import-untyped]  # ships no types
import numpy as np
from numpy.typing import NDArray

from engine.wire.errors import QuarantinedRecord, WireError
from engine.wire.messages import Finish, Group, Kind, Role, Rollout

GROUP_SCHEMA: Final = 1
"""Schema number of `encode_group`'s payloads."""

_MINOR: Final = 0
_ID_BYTES: Final = 16

# Keys of a group and of a rollout. A number, once used, is never given another meaning.
_G_MINOR, _G_ID, _G_ROLE, _G_KIND, _G_TASK, _G_PROMPT, _G_TEMPERATURE, _G_CREATED, _G_ROLLOUTS = (
    range(9)
)
_R_ID, _R_TOKENS, _R_LOGPROBS, _R_VERSIONS, _R_REWARD, _R_COMPONENTS, _R_FINISH, _R_VERDICT = range(
    8
)

_T = TypeVar("_T")
_E = TypeVar("_E", Role, Kind, Finish)


def encode_group(group: Group) -> bytes:
    """The payload of one record. Raises WireError if an array is not (N,) of its declared type."""
    packed: bytes = msgpack.packb(
        {
            _G_MINOR: _MINOR,
            _G_ID: group.group_id,
            _G_ROLE: group.role.value,
            _G_KIND: group.kind.value,
            _G_TASK: group.task_id,
            _G_PROMPT: _blob(group.prompt, np.dtype("<u4"), name="prompt"),
            _G_TEMPERATURE: float(group.temperature),
            _G_CREATED: group.created_ns,
            _G_ROLLOUTS: [_rollout_fields(rollout) for rollout in group.rollouts],
        }
    )
    return packed


def decode_group(payload: bytes) -> Group:
    """The group in a payload. Raises QuarantinedRecord, naming the field, if it is not one."""
    fields = _as_map(_unpack(payload), name="group")
    rollouts = _need(fields, _G_ROLLOUTS, name="group.rollouts", type_=list)
    return Group(
        group_id=_identifier(fields, _G_ID, name="group.group_id"),
        role=_member(fields, _G_ROLE, name="group.role", enum=Role),
        kind=_member(fields, _G_KIND, name="group.kind", enum=Kind),
        task_id=_need(fields, _G_TASK, name="group.task_id", type_=str),
        prompt=_tokens(fields, _G_PROMPT, name="group.prompt"),
        temperature=_need(fields, _G_TEMPERATURE, name="group.temperature", type_=float),
        rollouts=tuple(_rollout(rollout, at=i) for i, rollout in enumerate(rollouts)),
        created_ns=_need(fields, _G_CREATED, name="group.created_ns", type_=int),
    )


def _rollout_fields(rollout: Rollout) -> dict[int, object]:
    return {
        _R_ID: rollout.rollout_id,
        _R_TOKENS: _blob(rollout.tokens, np.dtype("<u4"), name="tokens"),
        _R_LOGPROBS: _blob(rollout.logprobs, np.dtype("<f4"), name="logprobs"),
        _R_VERSIONS: [[version, count] for version, count in rollout.versions],
        _R_REWARD: float(rollout.reward),
        _R_COMPONENTS: {name: float(value) for name, value in rollout.components.items()},
        _R_FINISH: rollout.finish.value,
        _R_VERDICT: str(rollout.verdict),
    }


def _rollout(value: object, *, at: int) -> Rollout:
    name = f"rollouts[{at}]"
    fields = _as_map(value, name=name)
    try:
        return Rollout(
            rollout_id=_identifier(fields, _R_ID, name=f"{name}.rollout_id"),
            tokens=_tokens(fields, _R_TOKENS, name=f"{name}.tokens"),
            logprobs=_logprobs(fields, _R_LOGPROBS, name=f"{name}.logprobs"),
            versions=_versions(fields, name=f"{name}.versions"),
            reward=_need(fields, _R_REWARD, name=f"{name}.reward", type_=float),
            components=_components(fields, name=f"{name}.components"),
            finish=_member(fields, _R_FINISH, name=f"{name}.finish", enum=Finish),
            verdict=_need(fields, _R_VERDICT, name=f"{name}.verdict", type_=str),
        )
    except ValueError as error:  # the lengths of its arrays disagree
        raise QuarantinedRecord(f"{name} contradicts itself: {error}", field=name) from error


def _blob(array: NDArray[np.generic], dtype: np.dtype[np.generic], *, name: str) -> bytes:
    # A silent cast would turn a -1 of an int64 array into a token id of four thousand million.
    if array.dtype != dtype or array.ndim != 1:
        raise WireError(
            f"{name} must be a one-dimensional {dtype.name} array, got {array.dtype} "
            f"of shape {array.shape}; convert it where it is made"
        )
    return array.tobytes()


def _unpack(payload: bytes) -> object:
    try:
        unpacked: object = msgpack.unpackb(payload, strict_map_key=False)
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        raise QuarantinedRecord(
            f"expected one msgpack map, got {len(payload)} bytes that are not: {error!r}; "
            "was the record written by another schema?",
            field="group",
        ) from error
    return unpacked


def _as_map(value: object, *, name: str) -> Mapping[object, object]:
    if not isinstance(value, dict):
        raise _ill_typed(name, "a map", value)
    return value


def _need(fields: Mapping[object, object], key: int, *, name: str, type_: type[_T]) -> _T:
    if key not in fields:
        raise QuarantinedRecord(
            f"required key {key} ({name}) is missing; the writer is older than this reader, "
            "or is not ours",
            field=name,
        )
    value = fields[key]
    if not isinstance(value, type_) or isinstance(value, bool):
        raise _ill_typed(name, type_.__name__, value)
    return value


def _identifier(fields: Mapping[object, object], key: int, *, name: str) -> bytes:
    value = _need(fields, key, name=name, type_=bytes)
    if len(value) != _ID_BYTES:
        raise _ill_typed(name, f"{_ID_BYTES} bytes", value)
    return value


def _member(fields: Mapping[object, object], key: int, *, name: str, enum: type[_E]) -> _E:
    word = _need(fields, key, name=name, type_=str)
    try:
        return enum(word)
    except ValueError:
        raise _ill_typed(name, " | ".join(enum), word) from None


def _tokens(fields: Mapping[object, object], key: int, *, name: str) -> NDArray[np.uint32]:
    return np.frombuffer(_words(fields, key, name=name), dtype=np.dtype("<u4"))


def _logprobs(fields: Mapping[object, object], key: int, *, name: str) -> NDArray[np.float32]:
    return np.frombuffer(_words(fields, key, name=name), dtype=np.dtype("<f4"))


def _words(fields: Mapping[object, object], key: int, *, name: str) -> bytes:
    blob = _need(fields, key, name=name, type_=bytes)
    if len(blob) % 4:
        raise _ill_typed(name, "a blob of 4-byte numbers", blob)
    return blob


def _versions(fields: Mapping[object, object], *, name: str) -> tuple[tuple[int, int], ...]:
    runs = []
    for pair in _need(fields, _R_VERSIONS, name=name, type_=list):
        match pair:
            case [int(version), int(count)] if version >= 0 and count >= 0:
                runs.append((version, count))
            case _:
                raise _ill_typed(name, "pairs (version, count)", pair)
    return tuple(runs)


def _components(fields: Mapping[object, object], *, name: str) -> dict[str, float]:
    components: dict[str, float] = {}
    for part, value in _need(fields, _R_COMPONENTS, name=name, type_=dict).items():
        if not isinstance(part, str) or not isinstance(value, float):
            raise _ill_typed(name, "a map of names to floats", (part, value))
        components[part] = value
    return components


def _ill_typed(name: str, expected: str, value: object) -> QuarantinedRecord:
    seen = repr(value)
    seen = seen if len(seen) <= 80 else f"{seen[:80]}..."
    return QuarantinedRecord(
        f"{name} must be {expected}, got {type(value).__name__} {seen}", field=name
    )
