"""The grammar of arguments and answers: text in, plain values out, nothing evaluated.

Constants; lists, tuples, sets and dicts of literals; a sign before a number; `1 + 2j`; `inf` and
`nan` by name. Four calls are spelled as Python spells the values: `set()`, `frozenset(...)`,
`float('inf' | '-inf' | 'nan')` and `complex(real, imag)`. No other call, name, attribute,
operator, comprehension, f-string or unpacking. The text may span lines and carry comments; texts
side by side are one text, as in Python. docs/values.md has the grammar.

The parser itself is a target (deep nests, giant constants), which is why this runs in a guest.
Whatever the text, there is a value or a LiteralError.
"""

import ast
import warnings
from collections.abc import Callable

from sandbox.guest.canon import MAX_INT_BITS

MAX_DEPTH = 100

_NAMES = {"inf": float("inf"), "nan": float("nan")}
_FLOATS = {"inf": "inf", "+inf": "inf", "-inf": "-inf", "nan": "nan"}
_CONSTANTS = (int, float, complex, str, bytes, bool, type(None))
_NUMBERS = (int, float, complex)


_TOO_LONG = "an int over the limit"


class LiteralError(Exception):
    """The text is not in the grammar."""


def parse_value(text: str) -> object:
    """The value of a text that is exactly one literal; `1, 2` is a tuple, as in Python."""
    return _value(_parse(text.strip()), 0)


def parse_arguments(text: str) -> tuple[list[object], dict[str, object]]:
    """Positional and keyword arguments from the text between the parentheses of a call."""
    call = _parse(f"f({text}\n)")
    # `1) + f(2` or `1)(2` parse too, as something else than one call of the bare name f.
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise LiteralError("not one argument list")
    positional = [_value(node, 0) for node in call.args]
    keywords: dict[str, object] = {}
    for keyword in call.keywords:
        if keyword.arg is None:
            raise LiteralError("unpacking")
        if keyword.arg in keywords:
            raise LiteralError("a keyword given twice")
        keywords[keyword.arg] = _value(keyword.value, 0)
    return positional, keywords


def _parse(text: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape is a matter of taste, not of value
            return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        is_long = "Exceeds the limit" in str(error)
        raise LiteralError(_TOO_LONG if is_long else type(error).__name__) from None


def _value(node: ast.expr, depth: int) -> object:
    read = _READERS.get(type(node))
    if read is None or depth > MAX_DEPTH:
        raise LiteralError(type(node).__name__ if read is None else "nested too deep")
    try:
        return read(node, depth + 1)
    except TypeError:  # an unhashable key or member
        raise LiteralError("unhashable") from None
    except OverflowError:  # an int that is no part of a complex number
        raise LiteralError("a number over the limit") from None


def _constant(node: ast.Constant, _depth: int) -> object:
    if type(node.value) not in _CONSTANTS:
        raise LiteralError("Ellipsis")
    if type(node.value) is int and node.value.bit_length() > MAX_INT_BITS:
        raise LiteralError(_TOO_LONG)  # hexadecimal digits have no limit of their own
    return node.value


def _name(node: ast.Name, _depth: int) -> object:
    if node.id not in _NAMES:
        raise LiteralError("name")
    return _NAMES[node.id]


def _signed(node: ast.UnaryOp, depth: int) -> object:
    number = _number(_value(node.operand, depth))
    if isinstance(node.op, ast.USub):
        return -number
    if isinstance(node.op, ast.UAdd):
        return number
    raise LiteralError("operator")


def _sum(node: ast.BinOp, depth: int) -> object:
    left, right = _number(_value(node.left, depth)), _number(_value(node.right, depth))
    if type(left) is complex or type(right) is not complex:
        raise LiteralError("operator")
    if isinstance(node.op, ast.Add):
        return left + right
    if isinstance(node.op, ast.Sub):
        return left - right
    raise LiteralError("operator")


def _number(value: object) -> complex:
    if type(value) not in _NUMBERS:
        raise LiteralError("a sign or sum of something that is no number")
    assert isinstance(value, _NUMBERS)
    return value


def _list(node: ast.List, depth: int) -> object:
    return [_value(item, depth) for item in node.elts]


def _tuple(node: ast.Tuple, depth: int) -> object:
    return tuple([_value(item, depth) for item in node.elts])


def _set(node: ast.Set, depth: int) -> object:
    return {_value(item, depth) for item in node.elts}


def _dict(node: ast.Dict, depth: int) -> object:
    result: dict[object, object] = {}
    for key, item in zip(node.keys, node.values, strict=True):
        if key is None:
            raise LiteralError("unpacking")
        result[_value(key, depth)] = _value(item, depth)
    return result


def _call(node: ast.Call, depth: int) -> object:
    build = _CALLS.get(node.func.id) if isinstance(node.func, ast.Name) else None
    if build is None or node.keywords:
        raise LiteralError("call")
    return build([_value(item, depth) for item in node.args])


def _make_set(args: list[object]) -> object:
    if args:
        raise LiteralError("write {...} for a set with members")
    return set()


def _make_frozenset(args: list[object]) -> object:
    if not args:
        return frozenset()
    if len(args) > 1 or type(args[0]) not in (list, tuple, set):
        raise LiteralError("frozenset of one container")
    members = args[0]
    assert isinstance(members, list | tuple | set)
    return frozenset(members)


def _make_float(args: list[object]) -> object:
    if len(args) != 1 or type(args[0]) is not str or args[0].lower() not in _FLOATS:
        raise LiteralError("float('inf'), float('-inf') or float('nan')")
    return float(_FLOATS[args[0].lower()])


def _make_complex(args: list[object]) -> object:
    if len(args) != 2 or any(type(arg) not in (int, float) for arg in args):
        raise LiteralError("complex of two numbers")
    real, imag = args
    assert isinstance(real, int | float)
    assert isinstance(imag, int | float)
    return complex(real, imag)


_CALLS: dict[str, Callable[[list[object]], object]] = {
    "set": _make_set,
    "frozenset": _make_frozenset,
    "float": _make_float,
    "complex": _make_complex,
}
_READERS: dict[type, Callable[..., object]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.UnaryOp: _signed,
    ast.BinOp: _sum,
    ast.List: _list,
    ast.Tuple: _tuple,
    ast.Set: _set,
    ast.Dict: _dict,
    ast.Call: _call,
}
