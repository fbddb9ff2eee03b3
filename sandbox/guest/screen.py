"""Static facts of a program: does it compile, may it become a task, what is its shape.

Parsing is itself an attack surface, so this runs in a guest, within its limits. The screen is a
gate for the *quality* of proposals (no hidden code, no obvious source of nondeterminism), not a
wall: the walls are the kernel's.
"""

import ast
import hashlib
from collections.abc import Iterator

MANY = 255
"""The most positional arguments of a function that takes `*args`."""

_REFUSED_NAMES = frozenset({
    "__import__", "__builtins__", "__loader__", "__spec__", "breakpoint", "compile", "delattr",
    "dir", "eval", "exec", "exit", "getattr", "globals", "hash", "help", "id", "input", "locals",
    "memoryview", "open", "quit", "setattr", "vars",
})  # fmt: skip
_HASHED_NAMES = frozenset({"set", "frozenset"})
_SET_METHODS = frozenset({"intersection", "union", "difference", "symmetric_difference"})
_SET_OPERATORS = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.Sub)
_SET_VIEWS = frozenset({"keys", "items"})
_ALLOWED_DUNDERS = frozenset({
    "__init__", "__repr__", "__str__", "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__",
    "__len__", "__iter__", "__next__", "__getitem__", "__setitem__", "__delitem__", "__contains__",
    "__call__", "__add__", "__radd__", "__iadd__", "__sub__", "__rsub__", "__mul__", "__rmul__",
    "__truediv__", "__floordiv__", "__mod__", "__pow__", "__neg__", "__abs__", "__invert__",
    "__and__", "__or__", "__xor__", "__bool__", "__int__", "__float__", "__enter__", "__exit__",
    "__hash__", "__name__", "__post_init__", "__reversed__", "__missing__", "__slots__",
})  # fmt: skip
Function = ast.FunctionDef | ast.AsyncFunctionDef
_NAMED = Function | ast.ClassDef | ast.ExceptHandler | ast.MatchAs | ast.MatchStar
Facts = tuple[str, str, str, int, int, int, bool, bool]


def inspect(source: str, modules: frozenset[str]) -> Facts:
    """(problem, normal form, shape, min and max positional, nodes, trivial, order-sensitive)."""
    try:
        tree = ast.parse(source)
        compile(source, "<program>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return _problem(f"syntax: {type(error).__name__}")
    function = _entry(tree)
    if function is None:
        return _problem("no_f: the program defines no function f")
    low, high = _num_params(function)
    return (
        _refusal(tree, modules),
        _digest(tree, erase=False),
        _digest(tree, erase=True),
        low,
        high,
        sum(1 for _ in ast.walk(tree)),
        _is_trivial(function),
        any(_is_order_sensitive(node) for node in ast.walk(tree)),
    )


def _problem(text: str) -> Facts:
    return (text, "", "", 0, 0, 0, False, False)


def _entry(tree: ast.Module) -> ast.FunctionDef | None:
    found = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "f"]
    return found[-1] if found else None


def _num_params(function: ast.FunctionDef) -> tuple[int, int]:
    args = function.args
    positional = len(args.posonlyargs) + len(args.args)
    return positional - len(args.defaults), MANY if args.vararg else positional


def _refusal(tree: ast.Module, modules: frozenset[str]) -> str:
    for node in ast.walk(tree):
        reason = _refused_import(node, modules) or _refused_name(node)
        if reason:
            return f"screen: {reason}"
    return ""


def _refused_import(node: ast.AST, modules: frozenset[str]) -> str:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [node.module or "."] if not node.level else ["."]
    else:
        return ""
    refused = [name for name in names if name.split(".")[0] not in modules]
    return f"import of {ascii(refused[0])[:40]}" if refused else ""


def _refused_name(node: ast.AST) -> str:
    if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
        return "asynchronous code"
    for name in _identifiers(node):
        if name in _REFUSED_NAMES and isinstance(node, ast.Name):
            return f"use of {name}"
        if name.startswith("__") and name.endswith("__") and name not in _ALLOWED_DUNDERS:
            return f"use of {ascii(name)[:40]}"
        if not name.isascii():
            return "a name that is not ASCII"
    return ""


def _identifiers(node: ast.AST) -> Iterator[str]:
    for field in ("id", "attr", "name", "arg", "asname"):
        value = getattr(node, field, None)
        if isinstance(value, str):
            yield value


def _is_order_sensitive(node: ast.AST) -> bool:
    """Whether the order of a set, which the hash seed decides, may show in the result."""
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Name):
        return node.id in _HASHED_NAMES
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, _SET_OPERATORS) and (_is_view(node.left) or _is_view(node.right))
    return isinstance(node, ast.Attribute) and node.attr in _SET_METHODS


def _is_view(node: ast.expr) -> bool:
    """Whether this is a call such as `d.keys()`: operators on it give sets."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _SET_VIEWS
    )


def _is_trivial(function: ast.FunctionDef) -> bool:
    """Whether f only returns a constant or one of its parameters unchanged."""
    body = _without_docstring(function.body)
    if not body or isinstance(body[0], ast.Pass):
        return True
    if not isinstance(body[0], ast.Return):
        return False
    value = body[0].value
    if value is None or isinstance(value, ast.Name):
        return True
    inner = (ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.UnaryOp)
    marks = (ast.expr_context, ast.unaryop)
    return all(isinstance(node, inner + marks) for node in ast.walk(value))


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    documented = (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
    return body[1:] if documented else body


def _digest(tree: ast.Module, *, erase: bool) -> str:
    names = _Renaming(tree)
    parts: list[str] = []
    _write(tree, parts, names, erase)
    text = " ".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _write(node: object, parts: list[str], names: "_Renaming", erase: bool) -> None:
    """Append a text that does not depend on the Python version's way of dumping a tree."""
    if isinstance(node, ast.Constant):
        parts.append(type(node.value).__name__ if erase else ascii(node.value))
    elif isinstance(node, ast.AST):
        parts.append("(" + type(node).__name__)
        for field, value in ast.iter_fields(node):
            _write_field(node, field, value, parts, names, erase)
        parts.append(")")
    elif isinstance(node, str):
        parts.append(names.of(node))
    else:
        parts.append(ascii(node))


def _write_field(
    node: ast.AST, field: str, value: object, parts: list[str], names: "_Renaming", erase: bool
) -> None:
    if field in ("type_comment", "kind", "ctx") or value is None or value == []:
        return
    parts.append(field)
    if isinstance(value, list):
        is_scope = isinstance(node, Function | ast.ClassDef | ast.Module)
        items = _without_docstring(value) if field == "body" and is_scope else value
        for item in items:
            _write(item, parts, names, erase)
    elif field == "attr" or (field == "arg" and isinstance(node, ast.keyword)):
        parts.append(names.of_keyword(str(value)) if field == "arg" else str(value))
    else:
        _write(value, parts, names, erase)


class _Renaming:
    """Names that the program binds become v0, v1, ... in order of appearance; f stays f."""

    def __init__(self, tree: ast.Module) -> None:
        self._bound = {name for node in ast.walk(tree) for name in _bound_names(node)} - {"f"}
        self._parameters = {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
        self._given: dict[str, str] = {}

    def of(self, name: str) -> str:
        if name not in self._bound:
            return name
        return self._given.setdefault(name, f"v{len(self._given)}")

    def of_keyword(self, name: str) -> str:
        return self.of(name) if name in self._parameters else name


def _bound_names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.alias) and node.asname:
        yield node.asname
    elif isinstance(node, _NAMED) and node.name:
        yield node.name
