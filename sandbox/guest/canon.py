"""Canonical values: the bytes by which two results are equal.

A value is a tree of exact builtin types; a subclass, whatever it claims about itself, has no
canonical form. Nothing here calls a method that a guest could have defined: types are compared
with `is`, contents are read through the builtin types.

One tag byte, then the content; sizes and counts are 4 bytes, big-endian:

    N T F                None, True, False
    I size bytes         int, two's complement, shortest form
    D 8 bytes            float, IEEE 754 big-endian; every NaN is the same NaN, -0.0 is not 0.0
    C 16 bytes           complex, real part then imaginary part
    S size utf-8         str; lone surrogates are kept
    B size bytes         bytes
    L U count items      list, tuple
    E Z count items      set, frozenset, items in ascending order of their encodings
    M count (key value)  dict, in ascending order of the keys' encodings: dicts that differ
                         in insertion order only are equal, as Python has it

Equality is strict: True, 1 and 1.0 differ, [1] and (1,) differ, {1} and frozenset({1}) differ.
"""

import struct
from collections.abc import Iterable
from itertools import pairwise

MAX_DEPTH = 64
MAX_NODES = 20_000
MAX_INT_BITS = 14_280
"""Any such int has at most 4,299 decimal digits, within CPython's limit for conversion."""

NAN = bytes.fromhex("7ff8000000000000")


class UnencodableError(Exception):
    """The value has no canonical form: something in it is not of an exact builtin type."""


class OversizeError(Exception):
    """The value has a canonical form that is over a limit (bytes, nodes, depth, digits)."""


def encode(value: object, *, max_bytes: int) -> bytes:
    """The canonical bytes of `value`; UnencodableError or OversizeError if it has none."""
    return _Encoder(max_bytes).encode(value, 0)


def _float_bytes(value: float) -> bytes:
    return NAN if value != value else struct.pack(">d", value)


class _Encoder:
    """The budget of one value: sizes are checked before anything is expanded."""

    __slots__ = ("bytes_left", "nodes_left")

    def __init__(self, max_bytes: int) -> None:
        self.bytes_left = max_bytes
        self.nodes_left = MAX_NODES

    def encode(self, value: object, depth: int) -> bytes:
        self._spend_nodes(1)
        if value is None:
            return self._leaf(b"N")
        kind = type(value)
        if kind is bool:
            return self._leaf(b"T" if value else b"F")
        if kind is int or kind is float or kind is complex:
            return self._number(value)
        if kind is str or kind is bytes:
            return self._text(value)
        if depth >= MAX_DEPTH:
            raise OversizeError(f"nested deeper than {MAX_DEPTH}")
        return self._container(value, depth + 1)

    def _number(self, value: object) -> bytes:
        if type(value) is int:
            bits = value.bit_length()
            if bits > MAX_INT_BITS:
                raise OversizeError(f"an int of more than {MAX_INT_BITS} bits")
            return self._sized(b"I", value.to_bytes(shortest_int_bytes(value), "big", signed=True))
        if type(value) is float:
            return self._leaf(b"D" + _float_bytes(value))
        assert type(value) is complex
        return self._leaf(b"C" + _float_bytes(value.real) + _float_bytes(value.imag))

    def _text(self, value: object) -> bytes:
        assert type(value) is str or type(value) is bytes
        if len(value) > self.bytes_left:
            raise OversizeError("too many bytes")
        if type(value) is str:
            return self._sized(b"S", value.encode("utf-8", "surrogatepass"))
        assert type(value) is bytes
        return self._sized(b"B", value)

    def _container(self, value: object, depth: int) -> bytes:
        if type(value) is list or type(value) is tuple:
            self._open(len(value))
            items = [self.encode(item, depth) for item in value]
            return (b"L" if type(value) is list else b"U") + _size(len(items)) + b"".join(items)
        if type(value) is set or type(value) is frozenset:
            self._open(len(value))
            items = _distinct(self.encode(item, depth) for item in value)
            return (b"E" if type(value) is set else b"Z") + _size(len(items)) + b"".join(items)
        if type(value) is dict:
            self._open(len(value))
            pairs = {self.encode(k, depth): self.encode(v, depth) for k, v in value.items()}
            if len(pairs) != len(value):
                raise UnencodableError("a dict with two keys of one canonical form")
            return b"M" + _size(len(pairs)) + b"".join(k + pairs[k] for k in sorted(pairs))
        raise UnencodableError("not a plain value")

    def _open(self, count: int) -> None:
        if count > self.nodes_left:
            raise OversizeError(f"more than {MAX_NODES} nodes")
        self._spend_bytes(5)

    def _sized(self, tag: bytes, body: bytes) -> bytes:
        return self._leaf(tag + _size(len(body)) + body)

    def _leaf(self, leaf: bytes) -> bytes:
        self._spend_bytes(len(leaf))
        return leaf

    def _spend_nodes(self, count: int) -> None:
        self.nodes_left -= count
        if self.nodes_left < 0:
            raise OversizeError(f"more than {MAX_NODES} nodes")

    def _spend_bytes(self, count: int) -> None:
        self.bytes_left -= count
        if self.bytes_left < 0:
            raise OversizeError("too many bytes")


def shortest_int_bytes(value: int) -> int:
    """How many bytes two's complement needs."""
    return ((value if value >= 0 else ~value).bit_length() + 8) // 8


def _size(count: int) -> bytes:
    return count.to_bytes(4, "big")


def _distinct(encodings: Iterable[bytes]) -> list[bytes]:
    items = sorted(encodings)
    if any(a == b for a, b in pairwise(items)):
        raise UnencodableError("a set with two members of one canonical form")  # several NaNs
    return items
