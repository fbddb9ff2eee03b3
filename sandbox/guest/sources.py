"""Where a program could get what differs between processes; part of the screen.

Refused is what an honest function of its arguments does not need: hashes, addresses and their
sizes by other ways than the builtin names, modules reached through modules, frames, the random
numbers of a library, the point at which stack or memory ends. What an honest program does need
(sets, texts of values, a broad `except`) but may leave something open is told apart: such a
program is also asked through its twin.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from types import ModuleType

_REFUSED_ATTRIBUTES = frozenset({
    # hashes, addresses
    "__hash__", "buffer_info", "cache_parameters", "hashvalue",
    # frames, and through them everything
    "gi_frame", "gi_code", "gi_yieldfrom", "cr_frame", "cr_code", "ag_frame", "ag_code",
    "tb_frame", "tb_next", "f_back", "f_globals", "f_locals", "f_builtins", "f_code",
    # modules that other modules hold
    "sys", "_sys", "os", "builtins", "bltns", "_thread", "gc", "weakref",
})  # fmt: skip
_REFUSED_ORIGINS = frozenset({
    "_random", "random", "posix", "os", "sys", "time", "gc", "weakref", "_weakref", "_thread",
    "inspect",
})  # fmt: skip
_HEADROOM = frozenset({"RecursionError", "MemoryError"})
_BROAD = frozenset({"Exception", "BaseException", "RuntimeError"})
_GETTERS = frozenset({"attrgetter", "methodcaller"})
_DRAWS = frozenset({"samples", "kde_random"})
_SETS = frozenset({"set", "frozenset"})
SET_FUNCTIONS = frozenset({"and_", "or_", "xor", "sub"})
"""Of `operator`."""
SET_OPERATORS = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.Sub)
VIEWS = frozenset({"keys", "items"})
_TEXT_NAMES = frozenset({"str", "repr", "ascii", "format", "object"})
_TEXT_METHODS = frozenset({
    "format", "format_map", "mod", "__repr__", "__str__", "__mod__", "dumps", "substitute",
    "safe_substitute",
})  # fmt: skip


def module_names(tree: ast.Module) -> dict[str, str]:
    """Names that stand for an imported module, and which."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                whole = alias.name if alias.asname else alias.name.partition(".")[0]
                found[alias.asname or whole] = whole
    return found


def refused_source(node: ast.AST, *, roots: Mapping[str, str], modules: frozenset[str]) -> str:
    """Why this node alone is reason to refuse a program, or ""."""
    if isinstance(node, ast.Name):
        return _refused_name(node.id)
    if isinstance(node, ast.Attribute):
        return _refused_attribute(node, roots, modules)
    if isinstance(node, ast.ImportFrom):
        found = (_refused_member(node.module or "", a.name, modules) for a in node.names)
        return next(filter(None, found), "")
    if isinstance(node, ast.Call):
        return _refused_call(node)
    return ""


def _refused_name(name: str) -> str:
    return f"use of {name}" if name in _HEADROOM else ""


def _refused_attribute(
    node: ast.Attribute, roots: Mapping[str, str], modules: frozenset[str]
) -> str:
    if node.attr in _REFUSED_ATTRIBUTES and isinstance(node.ctx, ast.Load):
        return f"use of {node.attr}"
    if node.attr in ("__repr__", "__str__") and _is_builtin_type(node.value):
        return f"use of object.{node.attr}"
    path = _path(node.value)
    if path and path[0] in roots:
        return _refused_member(".".join([roots[path[0]], *path[1:]]), node.attr, modules)
    return ""


def _is_builtin_type(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("object", "type")


def _path(node: ast.expr) -> list[str]:
    """`a.b.c` as its names; empty for what is no such chain."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        before = _path(node.value)
        return [*before, node.attr] if before else []
    return []


def _refused_member(module: str, name: str, modules: frozenset[str]) -> str:
    """Whether a name of a module is private, a module that may not be imported, or of one."""
    loaded = sys.modules.get(module)
    if loaded is None:
        return ""
    if name.startswith("_") and not name.startswith("__"):
        return f"use of a private name of {module}"
    member = getattr(loaded, name, None)
    if isinstance(member, ModuleType) and member.__name__.partition(".")[0] not in modules:
        return f"use of {module}.{name}"
    # Exact types only: nothing of the program is loaded, but proxies answer to any name.
    origin = getattr(member, "__module__", None)
    return f"use of {module}.{name}" if origin in _REFUSED_ORIGINS else ""


def _refused_call(node: ast.Call) -> str:
    name = _name_of(node.func)
    named = {keyword.arg for keyword in node.keywords}
    paths = node.args if name == "attrgetter" else node.args[:1]
    if name in _GETTERS and not all(map(_is_plain_path, paths)):
        return f"{name} of a name that is not plain"
    if name == "deepcopy" and (len(node.args) > 1 or named):
        return "deepcopy with a memo"  # its keys are addresses
    if name in _DRAWS and not any(_is_seed(keyword) for keyword in node.keywords):
        return f"{name} without a seed"
    return ""


def _is_seed(keyword: ast.keyword) -> bool:
    value = keyword.value
    return keyword.arg == "seed" and isinstance(value, ast.Constant) and value.value is not None


def _is_plain_path(node: ast.expr) -> bool:
    if not isinstance(node, ast.Constant):
        return False
    return not isinstance(node.value, str) or "__" not in node.value


def _name_of(function: ast.expr) -> str:
    if isinstance(function, ast.Name):
        return function.id
    return function.attr if isinstance(function, ast.Attribute) else ""


def leaves_open(tree: ast.Module) -> bool:
    """Whether the result may show what Python leaves open: see `twin.py`."""
    nodes = list(ast.walk(tree))
    has_views = any(isinstance(node, ast.Attribute) and node.attr in VIEWS for node in nodes)
    return any(
        _has_set(node) or _writes(node) or _catches_all(node) or (has_views and _combines(node))
        for node in nodes
    )


def _has_set(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id in _SETS
    return isinstance(node, ast.Set | ast.SetComp)


def _combines(node: ast.AST) -> bool:
    """Whether this may make a set of what `keys()` or `items()` gave."""
    if isinstance(node, ast.BinOp | ast.AugAssign):
        return isinstance(node.op, SET_OPERATORS)
    return isinstance(node, ast.Attribute) and node.attr in SET_FUNCTIONS


def _writes(node: ast.AST) -> bool:
    """Whether a value's text is made, which for some values is their address."""
    if isinstance(node, ast.JoinedStr):
        return True
    if isinstance(node, ast.Name):
        return node.id in _TEXT_NAMES
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Mod) and not _is_number(node.right)
    if isinstance(node, ast.AugAssign):
        return isinstance(node.op, ast.Mod) and not _is_number(node.value)
    return isinstance(node, ast.Attribute) and node.attr in _TEXT_METHODS


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def _catches_all(node: ast.AST) -> bool:
    """Whether the end of stack or memory is caught, perhaps among other things."""
    if not isinstance(node, ast.ExceptHandler):
        return isinstance(node, ast.With)  # a context manager may swallow anything
    return node.type is None or any(_is_broad(each) for each in _classes(node.type))


def _classes(node: ast.expr) -> Iterator[ast.expr]:
    yield from node.elts if isinstance(node, ast.Tuple) else [node]


def _is_broad(node: ast.expr) -> bool:
    return not isinstance(node, ast.Name) or node.id in _BROAD
