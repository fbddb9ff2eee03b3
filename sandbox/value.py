"""Canonical values on the host: check, show, decode. Never eval, pickle or a recursive parser.

The bytes come from a guest, so they are hostile until `check` has passed them: one complete value,
within the caps, every size honest, every number in its shortest form, members in strict order and
no two that Python holds equal. Two values are equal exactly if their bytes are.

`render` walks the bytes and hashes nothing, so a set of colliding integers costs what any other
costs; the text it gives is a Python expression in the guest's literal grammar, ASCII only, and
reads back as the same bytes.
"""

import math
import struct
from itertools import pairwise

from sandbox.errors import SandboxError
from sandbox.guest.canon import MAX_DEPTH, MAX_INT_BITS, MAX_NODES, NAN, shortest_int_bytes

Plain = object
"""None, bool, int, float, complex, str, bytes and lists, tuples, sets, dicts of them."""

_OPENERS = {"L": "[", "U": "(", "E": "{", "Z": "frozenset({", "M": "{"}
_CLOSERS = {"L": "]", "U": ")", "E": "}", "Z": "})", "M": "}"}
_EMPTY = {"L": "[]", "U": "()", "E": "set()", "Z": "frozenset()", "M": "{}"}
_UNORDERED = "EZM"
_MAX_COLLISIONS = 64


class ValueFormatError(SandboxError):
    """The bytes are not a canonical value."""


def check(data: bytes) -> None:
    """ValueFormatError unless `data` is exactly one canonical value."""
    parse(data)


def render(data: bytes) -> str:
    """Python literal text of a canonical value; dicts and sets in canonical order."""
    return parse(data).text


def render_arguments(data: bytes) -> str:
    """Argument list text of a value `[positional, {name: value}]`, as `spell` gets it."""
    positional, named = parse(data).children
    pairs = zip(named.children[::2], named.children[1::2], strict=True)
    keywords = [f"{name.leaf}={value.text}" for name, value in pairs]
    return ", ".join([*(child.text for child in positional.children), *keywords])


def decode(data: bytes) -> Plain:
    """The value as plain Python data; refuses sets and dicts with many colliding hashes."""
    return parse(data).build()


class Node:
    """One value as it was read: where it stands, and its children if it has any.

    What is derived from it is made when it is asked for: kept at every level of a deep nest, a
    megabyte of text would be held sixty times. Recursion is bounded by MAX_DEPTH.
    """

    __slots__ = ("children", "leaf", "span", "tag", "total")

    def __init__(self, tag: str, start: int, total: int = 0) -> None:
        self.tag = tag
        self.span = (start, start)
        self.total = total
        self.children: list[Node] = []
        self.leaf: Plain = None

    @property
    def is_container(self) -> bool:
        """Whether it is what its children make it."""
        return self.tag in _OPENERS

    @property
    def text(self) -> str:
        """A Python expression in the guest's literal grammar."""
        if not self.is_container:
            return _leaf_text(self.leaf)
        texts = [child.text for child in self.children]
        if not texts:
            return _EMPTY[self.tag]
        if self.tag == "U" and len(texts) == 1:
            return f"({texts[0]},)"
        if self.tag == "M":
            texts = [f"{k}: {v}" for k, v in zip(texts[::2], texts[1::2], strict=True)]
        return _OPENERS[self.tag] + ", ".join(texts) + _CLOSERS[self.tag]

    @property
    def loose(self) -> bytes:
        """Encoding after which 1, 1.0 and True are one; empty for what has no hash."""
        if not self.is_container:
            return _loose(self.leaf)
        if self.tag not in "UZ":
            return b""
        kept = [child.loose for child in self.children]
        if b"" in kept:
            return b""
        body = b"".join(sorted(kept) if self.tag == "Z" else kept)
        return self.tag.encode() + len(body).to_bytes(4, "big") + body

    def build(self) -> Plain:
        """The value as plain Python data."""
        if not self.is_container:
            return self.leaf
        items = [child.build() for child in self.children]
        if self.tag == "L":
            return items
        if self.tag == "U":
            return tuple(items)
        members = items[::2] if self.tag == "M" else items
        if len(members) - len({hash(member) for member in members}) > _MAX_COLLISIONS:
            raise ValueFormatError("too many members with one hash")
        if self.tag == "M":
            return dict(zip(members, items[1::2], strict=True))
        return set(items) if self.tag == "E" else frozenset(items)


def parse(data: bytes) -> Node:
    """The tree of exactly one canonical value; ValueFormatError for anything else."""
    reader = _Reader(data)
    open_nodes: list[Node] = []
    while True:
        node = reader.node()
        while node.total == len(node.children):
            _close(node, data, reader.at)
            if not open_nodes:
                reader.expect_end()
                return node
            open_nodes[-1].children.append(node)
            node = open_nodes.pop()
        if len(open_nodes) >= MAX_DEPTH:
            raise ValueFormatError(f"nested deeper than {MAX_DEPTH}")
        open_nodes.append(node)


def _close(node: Node, data: bytes, end: int) -> None:
    node.span = (node.span[0], end)
    if node.tag in _UNORDERED:
        _check_members(node, data)


def _check_members(node: Node, data: bytes) -> None:
    members = node.children[::2] if node.tag == "M" else node.children
    encodings = [data[slice(*member.span)] for member in members]
    if any(a >= b for a, b in pairwise(encodings)):
        raise ValueFormatError("members out of order")
    loose = {member.loose for member in members}
    if b"" in loose:
        raise ValueFormatError("a member that has no hash")
    if len(loose) != len(members):
        raise ValueFormatError("two equal members")


class _Reader:
    """Takes nodes off the bytes, each size checked before it is used."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self._nodes = 0

    def node(self) -> Node:
        """The next node; a container comes without its children."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise ValueFormatError(f"more than {MAX_NODES} nodes")
        start = self.at
        tag = self._take(1).decode("latin-1")
        if tag in _OPENERS:
            count = self._size()
            if count > MAX_NODES:
                raise ValueFormatError(f"more than {MAX_NODES} nodes")
            return Node(tag, start, 2 * count if tag == "M" else count)
        node = Node(tag, start)
        node.leaf = self._leaf(tag)
        return node

    def expect_end(self) -> None:
        if self.at != len(self.data):
            raise ValueFormatError("bytes after the value")

    def _leaf(self, tag: str) -> Plain:
        if tag in "NTF":
            return {"N": None, "T": True, "F": False}[tag]
        if tag == "D":
            return self._float()
        if tag == "C":
            return complex(self._float(), self._float())
        if tag == "I":
            return self._int()
        if tag == "S":
            return self._str()
        if tag == "B":
            return self._take(self._size())
        raise ValueFormatError("unknown tag")

    def _take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self.data):
            raise ValueFormatError("cut short")
        part = self.data[self.at : end]
        self.at = end
        return part

    def _size(self) -> int:
        return int.from_bytes(self._take(4), "big")

    def _float(self) -> float:
        raw = self._take(8)
        (value,) = struct.unpack(">d", raw)
        assert isinstance(value, float)
        if math.isnan(value) and raw != NAN:
            raise ValueFormatError("a second spelling of NaN")
        return value

    def _int(self) -> int:
        size = self._size()
        if size > MAX_INT_BITS // 8 + 1:
            raise ValueFormatError("an int over the limit")
        value = int.from_bytes(self._take(size), "big", signed=True)
        if size != shortest_int_bytes(value) or value.bit_length() > MAX_INT_BITS:
            raise ValueFormatError("an int that is not in its shortest form, or over the limit")
        return value

    def _str(self) -> str:
        try:
            return self._take(self._size()).decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise ValueFormatError("text that is not UTF-8") from None


def _leaf_text(value: Plain) -> str:
    if isinstance(value, float):
        return f"float('{value}')" if not math.isfinite(value) else repr(value)
    if isinstance(value, complex):
        return f"complex({_leaf_text(value.real)}, {_leaf_text(value.imag)})"
    return ascii(value)


def _loose(value: Plain) -> bytes:
    """Bytes that are equal for values which Python holds equal."""
    if isinstance(value, complex) and value.imag == 0 and not math.isnan(value.real):
        value = value.real
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        value = int(value)
    body = ascii(int(value) if isinstance(value, bool) else value).encode()
    if isinstance(value, complex):  # 1j, and 1j - 0.0: the zero's sign is not compared
        body = ascii((value.real + 0.0, value.imag + 0.0)).encode()
    return b"v" + len(body).to_bytes(4, "big") + body
