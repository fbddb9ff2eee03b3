"""What Python leaves open, drawn by lot: set order, addresses in texts, room on stack and heap.

This file is no part of a guest's harness. Its text is put before the *twin* of a program (see
`twin.py`), which the guest then runs like any program; so it is written for a namespace that it
shares with that program, imports nothing, and prefixes every name.

A draw holds for one call of f: within a call equal sets have one order and an object one address,
as Python promises; the next call draws again, every second one the opposite of the one before, so
that a single hidden bit is not left to chance. What a program does while it is loaded is drawn
before the first call; the host loads every twin twice, with `_lot_call` at -1 and at -2, which are
opposites too: draws depend on contents, not on hashes, so they are the same in every process. Sets
of plain numbers keep their order, which CPython fixes.
"""

# mypy: ignore-errors
# ruff: noqa: N801
# It works on values of any type, and its types pass for builtin ones.

_lot_call = [-1]
_lot_seen = {}
_LOT_MASK = 0xFFFFFFFFFFFFFFFF
_LOT_PRIME = (1 << 61) - 1


def _lot_drawn(key: int) -> int:
    """64 bits for this key in this call (SplitMix64)."""
    draw = _lot_call[0]
    z = (key + (draw // 2 + 1) * 0x9E3779B97F4A7C15) & _LOT_MASK
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & _LOT_MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & _LOT_MASK
    return z ^ z >> 31 ^ (_LOT_MASK if draw % 2 else 0)


def _lot_key(member: object) -> int:
    """A number for this content; for an object its hash, there is nothing else."""
    kind = type(member)
    if kind is str:
        return int.from_bytes(member.encode("utf-8", "surrogatepass"), "big") % _LOT_PRIME
    if kind is bytes:
        return int.from_bytes(member, "big") % _LOT_PRIME + 1
    if kind is tuple:
        key = len(member)
        for item in member:
            key = (key * 1_000_003 + _lot_key(item)) % _LOT_PRIME
        return key
    if kind is frozenset or kind is _lot_frozenset:
        return sum([_lot_key(item) ** 2 for item in frozenset.__iter__(member)]) % _LOT_PRIME
    return 2 if member is None else hash(member)


def _lot_is_open(member: object) -> bool:
    """Whether a member's hash, and so its place in a set, differs between processes."""
    kind = type(member)
    if kind is int or kind is float or kind is bool or kind is complex:
        return False
    if kind is tuple:
        return any(_lot_is_open(item) for item in member)
    if kind is frozenset or kind is _lot_frozenset:
        return any(_lot_is_open(item) for item in frozenset.__iter__(member))
    return kind.__name__ not in ("Fraction", "Decimal")


def _lot_order(members: object) -> list[object]:
    """The members in the order of this call; as they come if CPython fixes it."""
    found = list(members)
    if len(found) < 2 or not any(_lot_is_open(member) for member in found):
        return found
    return sorted(found, key=lambda member: _lot_drawn(_lot_key(member)))


def _lot_iterate(members: object, order: list[object]) -> object:
    size = len(members)
    for member in order:
        if len(members) != size:
            raise RuntimeError("Set changed size during iteration")
        yield member


class _lot_kind(type):
    """Stands for the builtin type wherever a program asks; classes made of it do not."""

    def __instancecheck__(cls, value: object) -> bool:
        return type.__instancecheck__(_lot_meant(cls), value)

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is _lot_meant(cls)

    def __hash__(cls) -> int:
        return type.__hash__(_lot_meant(cls))


def _lot_meant(cls: type) -> type:
    return cls.__base__ if cls is _lot_set or cls is _lot_frozenset else cls


def _lot_method(name: str, base: type) -> object:
    plain = getattr(base, name)

    def method(self: object, *others: object) -> object:
        return _lot_mixed(plain(self, *others))

    return method


_lot_operations = (
    "__and__", "__or__", "__sub__", "__xor__", "__rand__", "__ror__", "__rsub__", "__rxor__",
    "union", "intersection", "difference", "symmetric_difference", "copy",
)  # fmt: skip


class _lot_set(set, metaclass=_lot_kind):
    __slots__ = ()

    def __iter__(self) -> object:
        return _lot_iterate(self, _lot_order(set.__iter__(self)))

    def __repr__(self) -> str:
        return "{" + ", ".join([repr(member) for member in self]) + "}" if self else "set()"

    def pop(self) -> object:
        if len(self) < 2:
            return set.pop(self)
        member = _lot_order(set.__iter__(self))[0]
        set.discard(self, member)
        return member


class _lot_frozenset(frozenset, metaclass=_lot_kind):
    __slots__ = ()

    def __iter__(self) -> object:
        return _lot_iterate(self, _lot_order(frozenset.__iter__(self)))

    def __repr__(self) -> str:
        members = ", ".join([repr(member) for member in self])
        return "frozenset({" + members + "})" if self else "frozenset()"


for _lot_type, _lot_base in ((_lot_set, set), (_lot_frozenset, frozenset)):
    for _lot_name in _lot_operations:
        setattr(_lot_type, _lot_name, _lot_method(_lot_name, _lot_base))
    type.__setattr__(_lot_type, "__name__", _lot_base.__name__)
    type.__setattr__(_lot_type, "__qualname__", _lot_base.__name__)
    type.__setattr__(_lot_type, "__module__", "builtins")


def _lot_mixed(value: object) -> object:
    """The value; a plain set without an order of its own as one that draws it."""
    kind = type(value)
    if (kind is set or kind is frozenset) and any(_lot_is_open(member) for member in value):
        return _lot_set(value) if kind is set else _lot_frozenset(value)
    return value


def _lot_opened(value: object) -> object:
    """Arguments, as they were parsed, with their sets mixed."""
    kind = type(value)
    if kind is list:
        return [_lot_opened(item) for item in value]
    if kind is tuple:
        return tuple([_lot_opened(item) for item in value])
    if kind is dict:
        return {_lot_opened(key): _lot_opened(item) for key, item in value.items()}
    if kind is set or kind is frozenset:
        mixed = _lot_mixed(value)
        return value if mixed is value else type(mixed)([_lot_opened(item) for item in value])
    return value


def _lot_plain(value: object) -> object:
    """A result with builtin sets again, for the encoder knows no others."""
    kind = type(value)
    if kind is list:
        return [_lot_plain(item) for item in value]
    if kind is tuple:
        return tuple([_lot_plain(item) for item in value])
    if kind is dict:
        return {_lot_plain(key): _lot_plain(item) for key, item in value.items()}
    if kind is set or kind is _lot_set:
        return {_lot_plain(member) for member in value}
    if kind is frozenset or kind is _lot_frozenset:
        return frozenset([_lot_plain(member) for member in value])
    return value


def _lot_text(value: object) -> object:
    """The value; in a text, or a short row of texts, every address is drawn anew."""
    kind = type(value)
    if kind is str:
        return _lot_moved(value) if " at 0x" in value else value
    if (kind is list or kind is tuple) and 0 < len(value) <= 64 and type(value[0]) is str:
        moved = [_lot_text(item) for item in value]
        return value if moved == list(value) else kind(moved)
    return value


def _lot_moved(text: str) -> str:
    first, *rest = text.split(" at 0x")
    parts = [first]
    for part in rest:
        digits = len(part) - len(part.lstrip("0123456789abcdef"))
        if digits < 8:  # some number of the program's own
            parts.append(f" at 0x{part}")
            continue
        drawn = _lot_drawn(_lot_seen.setdefault(part[:digits], len(_lot_seen)))
        region = "7f" if drawn >> 63 else "55"  # where Linux maps memory, where it has the heap
        parts.append(f" at 0x{region}{drawn & 0xFFFFFFFFF0:010x}{part[digits:]}")
    return "".join(parts)


def _lot_texts(function: object) -> object:
    """A function that makes texts, for places where it is passed on."""
    if not callable(function):
        return function

    def moved(*args: object, **named: object) -> object:
        return _lot_text(function(*args, **named))

    return moved


def _lot_twin(function: object) -> object:
    """What is called as f: one draw a call, and some frames more than the program has."""

    def f(*args: object, **named: object) -> object:
        _lot_call[0] += 1
        positional = [_lot_opened(value) for value in args]
        keywords = {name: _lot_opened(value) for name, value in named.items()}
        return _lot_plain(_lot_deeper(function, positional, keywords, 3 + _lot_call[0] % 7))

    return f


def _lot_deeper(function: object, args: list[object], named: object, frames: int) -> object:
    if frames:
        return _lot_deeper(function, args, named, frames - 1)
    return function(*args, **named)
