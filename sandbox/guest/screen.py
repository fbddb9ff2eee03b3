"""Static facts of a program: does it compile, may it become a task, what is its shape.

Parsing is itself an attack surface, so this runs in a guest, within its limits. The screen is a
gate for the *quality* of proposals (no hidden code, no obvious source of nondeterminism), not a
wall: the walls are the kernel's.
"""

import ast
from collections.abc import Iterator

from sandbox.guest.normal import digest, without_docstring
from sandbox.guest.scopes import local_names
from sandbox.guest.sources import leaves_open, module_names, refused_source
from sandbox.guest.twin import twin

MANY = 255
"""The most positional arguments of a function that takes `*args`."""

_REFUSED_NAMES = frozenset({
    "__import__", "__builtins__", "__loader__", "__spec__", "breakpoint", "compile", "delattr",
    "dir", "eval", "exec", "exit", "getattr", "globals", "hash", "help", "id", "input", "locals",
    "memoryview", "open", "quit", "setattr", "vars",
})  # fmt: skip
_ALLOWED_DUNDERS = frozenset({
    "__init__", "__repr__", "__str__", "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__",
    "__len__", "__iter__", "__next__", "__getitem__", "__setitem__", "__delitem__", "__contains__",
    "__call__", "__add__", "__radd__", "__iadd__", "__sub__", "__rsub__", "__mul__", "__rmul__",
    "__truediv__", "__floordiv__", "__mod__", "__pow__", "__neg__", "__abs__", "__invert__",
    "__and__", "__or__", "__xor__", "__bool__", "__int__", "__float__", "__enter__", "__exit__",
    "__hash__", "__name__", "__post_init__", "__reversed__", "__missing__", "__slots__",
})  # fmt: skip
Facts = tuple[str, str, str, int, int, int, bool, bool, str]


def inspect(source: str, modules: frozenset[str]) -> Facts:
    """(problem, normal form, shape, min and max positional, nodes, trivial, open, twin)."""
    try:
        tree = ast.parse(source)
        compile(source, "<program>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return _problem(f"syntax: {type(error).__name__}")
    function = _entry(tree)
    if function is None:
        return _problem("no_f: the program defines no function f")
    try:
        return _facts(tree, function, modules)
    except RecursionError:
        return _problem("screen: nested too deep")


def _facts(tree: ast.Module, function: ast.FunctionDef, modules: frozenset[str]) -> Facts:
    low, high = _num_params(function)
    refusal = _refusal(tree, modules)
    is_open = leaves_open(tree)
    return (
        refusal,
        digest(tree, erase=False),
        digest(tree, erase=True),
        low,
        high,
        sum(1 for _ in ast.walk(tree)),
        _is_trivial(function),
        is_open,
        twin(tree) if is_open and not refusal else "",  # last: it changes the tree
    )


def _problem(text: str) -> Facts:
    return (text, "", "", 0, 0, 0, False, False, "")


def _entry(tree: ast.Module) -> ast.FunctionDef | None:
    found = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "f"]
    return found[-1] if found else None


def _num_params(function: ast.FunctionDef) -> tuple[int, int]:
    args = function.args
    positional = len(args.posonlyargs) + len(args.args)
    return positional - len(args.defaults), MANY if args.vararg else positional


def _refusal(tree: ast.Module, modules: frozenset[str]) -> str:
    roots, own = module_names(tree), local_names(tree)
    for node in ast.walk(tree):
        reason = (
            _refused_import(node, modules)
            or _refused_name(node, is_own=id(node) in own)
            or refused_source(node, roots=roots, modules=modules)
        )
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


def _refused_name(node: ast.AST, *, is_own: bool) -> str:
    if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
        return "asynchronous code"
    for name in _identifiers(node):
        if name in _REFUSED_NAMES and isinstance(node, ast.Name) and not is_own:
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
    if isinstance(node, ast.MatchClass):  # `case str(__hash__=h)` reads an attribute
        yield from node.kwd_attrs


def _is_trivial(function: ast.FunctionDef) -> bool:
    """Whether f only returns a constant or one of its parameters unchanged."""
    body = without_docstring(function.body)
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
