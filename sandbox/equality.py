"""When two canonical values are equal: strictly, or as Python's `==` has it.

Both are pure functions of bytes, computed on the host. `strict` is equality of the bytes. `python`
compares loose forms, in which what Python holds equal is written alike: True, 1, 1.0 and 1+0j;
0.0 and -0.0; a set and a frozenset of equal members. NaN equals nothing in `python` mode, itself
included and wherever it stands, as two NaNs of different origin do; in `strict` mode all NaNs are
one value. docs/values.md has the whole policy as a table.

No member is hashed but as bytes, nothing recurses deeper than values nest (64), and every loose
form is sorted once: a set of colliding integers costs what any other costs.
"""

import math
from typing import Literal

from sandbox.value import Node, parse

Mode = Literal["strict", "python"]


def equal(a: bytes, b: bytes, *, mode: Mode = "strict") -> bool:
    """Whether two canonical values are equal; ValueFormatError if one is no canonical value."""
    if mode not in ("strict", "python"):
        raise ValueError(f"mode is strict or python, got {mode!r}")
    left, right = parse(a), parse(b)
    if mode == "strict":
        return a == b
    loose = _loose(left)
    return bool(loose) and loose == _loose(right)


def _loose(node: Node) -> bytes:
    """A form that is equal for equal values; empty if there is a NaN in it."""
    if not node.is_container:
        return b"" if _is_nan(node.leaf) else node.loose
    parts = [_loose(child) for child in node.children]
    if b"" in parts:
        return b""
    if node.tag == "M":
        pairs = zip(parts[::2], parts[1::2], strict=True)
        parts = [key + value for key, value in pairs]
    if node.tag in "EZM":
        parts.sort()
    tag = b"Z" if node.tag in "EZ" else node.tag.encode()
    body = b"".join(parts)
    return tag + len(body).to_bytes(5, "big") + body


def _is_nan(value: object) -> bool:
    if isinstance(value, complex):
        return math.isnan(value.real) or math.isnan(value.imag)
    return isinstance(value, float) and math.isnan(value)
