"""Normal form and shape of a program: digests by which two programs are the same task.

The normal form is the tree without comments, docstrings and spelling, with bound names made
canonical; the shape is the same with constants erased. Neither depends on how a version of Python
dumps its trees.
"""

import ast
import hashlib
from collections.abc import Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef
_KEPT = Function | ast.ClassDef | ast.Import | ast.ImportFrom
_NAMED = Function | ast.ClassDef | ast.ExceptHandler | ast.MatchAs | ast.MatchStar


def digest(tree: ast.Module, *, erase: bool) -> str:
    """Hexadecimal digest of the tree; constants become their type's name if `erase`."""
    names = _Renaming(tree)
    parts: list[str] = []
    _write(tree, parts, names, erase)
    text = " ".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def stripped(source: str) -> str:
    """The imports and definitions of a program, respelled; empty if it is none.

    Comments, docstrings and all other statements outside of a function or a class are gone.
    """
    try:
        tree = ast.parse(source)
        tree.body = [statement for statement in tree.body if isinstance(statement, _KEPT)]
        for node in ast.walk(tree):
            if isinstance(node, Function | ast.ClassDef):
                node.body = without_docstring(node.body) or [ast.Pass()]
        return ast.unparse(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""


def without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements after the docstring, if there is one."""
    first = body[0] if body else None
    documented = (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
    return body[1:] if documented else body


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
        items = without_docstring(value) if field == "body" and is_scope else value
        for item in items:
            _write(item, parts, names, erase)
    elif field == "attr" or (field == "arg" and isinstance(node, ast.keyword)):
        parts.append(names.of_keyword(str(value)) if field == "arg" else str(value))
    else:
        _write(value, parts, names, erase)


class _Renaming:
    """Names that the program binds become v0, v1, ... in order of appearance; f stays f."""

    def __init__(self, tree: ast.Module) -> None:
        self._bound = {name for node in ast.walk(tree) for name in bound_names(node)} - {"f"}
        self._parameters = {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
        self._given: dict[str, str] = {}

    def of(self, name: str) -> str:
        if name not in self._bound:
            return name
        return self._given.setdefault(name, f"v{len(self._given)}")

    def of_keyword(self, name: str) -> str:
        return self.of(name) if name in self._parameters else name


def bound_names(node: ast.AST) -> Iterator[str]:
    """Names that this one node binds."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.alias) and node.asname:
        yield node.asname
    elif isinstance(node, _NAMED) and node.name:
        yield node.name
