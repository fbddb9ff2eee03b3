"""The fields of a decoded map, taken one by one; one that is missing or ill-typed is named.

What comes out has exactly the type that was asked for, however the bytes were made: every other
case raises `QuarantinedRecord`. A nil is what a missing key is. An integer will do for a float,
since writers in other languages send 1.0 as 1; True and False are no numbers.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.wire.errors import QuarantinedRecord

_T = TypeVar("_T")
_N = TypeVar("_N", bound=np.generic)

_ID_BYTES: Final = 16
_SHOWN_CHARS: Final = 60


class Fields:
    """One map of a message."""

    __slots__ = ("_at", "_names", "_values")

    def __init__(self, value: object, names: tuple[str, ...], *, at: str) -> None:
        """`names` are those of keys 0, 1, 2, ...; `at` says which map this is."""
        if type(value) is not dict:
            raise ill_typed(at, "a map", value)
        self._values: Mapping[object, object] = value
        self._names = names
        self._at = at

    def name(self, key: int) -> str:
        """A field's name in messages."""
        return f"{self._at}.{self._names[key]}"

    def need(self, key: int, type_: type[_T]) -> _T:
        """A required value of exactly this type."""
        value = self._values.get(key)
        if type(value) is type_:
            return value
        raise self._objection(key, type_.__name__, value)

    def option(self, key: int, type_: type[_T]) -> _T | None:
        """A value of exactly this type, or None if there is none."""
        return None if self._values.get(key) is None else self.need(key, type_)

    def number(self, key: int) -> float:
        """A required number."""
        value = self._values.get(key)
        if type(value) is float:
            return value
        if type(value) is int:
            return float(value)
        raise self._objection(key, "float", value)

    def identifier(self, key: int) -> bytes:
        """Required: 16 bytes."""
        value = self.need(key, bytes)
        if len(value) != _ID_BYTES:
            raise self._objection(key, f"{_ID_BYTES} bytes", value)
        return value

    def member(self, key: int, words: Mapping[str, _T]) -> _T:
        """Required: what one of these words stands for."""
        word = self.need(key, str)
        if word not in words:
            raise self._objection(key, " | ".join(words), word)
        return words[word]

    def array(self, key: int, dtype: np.dtype[_N]) -> NDArray[_N]:
        """A required blob as a read-only array: a view of bytes that belong to it alone."""
        blob = self.need(key, bytes)
        if len(blob) % dtype.itemsize:
            raise self._objection(key, f"a blob of {dtype.itemsize}-byte numbers", blob)
        return np.frombuffer(blob, dtype)

    def record(self, key: int, names: tuple[str, ...], make: Callable[["Fields"], _T]) -> _T | None:
        """What `make` makes of a map within this one, or None if there is none."""
        value = self._values.get(key)
        return None if value is None else make(Fields(value, names, at=self.name(key)))

    def bad(self, key: int, expected: str) -> QuarantinedRecord:
        """The error for a value of the right type that still is none of those that may be."""
        return ill_typed(self.name(key), expected, self._values.get(key))

    def _objection(self, key: int, expected: str, value: object) -> QuarantinedRecord:
        if value is not None:
            return ill_typed(self.name(key), expected, value)
        name = self.name(key)
        return QuarantinedRecord(
            f"{name} is required (key {key}), and missing; the writer is older than this reader, "
            "or is not ours",
            field=name,
        )


def ill_typed(name: str, expected: str, value: object) -> QuarantinedRecord:
    """The error for a value that is not what was expected."""
    seen = f"{name} must be {expected}, got {type(value).__name__}{_shown(value)}"
    return QuarantinedRecord(f"{seen}; the writer is not of this schema", field=name)


def _shown(value: object) -> str:
    # Not repr(value): of a deeply nested list it fails, and of a large one it is larger still.
    match value:
        case None:
            return ""
        case bytes() | str():
            more = "..." if len(value) > _SHOWN_CHARS else ""
            return f" {value[:_SHOWN_CHARS]!r}{more}"
        case list() | dict():
            return f" of {len(value)}"
    return f" {value!r}"[:_SHOWN_CHARS]
