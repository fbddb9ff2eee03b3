"""Which names of a program are its own: a parameter called `input` is not the builtin.

Local to a function are its parameters and what its own statements assign, unless declared global
or nonlocal; a nested function sees them too. A name bound by a class body or by a comprehension
alone is left out: it is not in force everywhere in the function, so it may still be the builtin.
"""

import ast
from collections.abc import Iterator

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_CLOSED = _Function | ast.ClassDef | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def local_names(tree: ast.Module) -> frozenset[int]:
    """`id()` of the name nodes that refer to a local of an enclosing function."""
    return frozenset(id(node) for node in _refer_to_locals(tree, frozenset()))


def _refer_to_locals(node: ast.AST, known: frozenset[str]) -> Iterator[ast.Name]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Name) and child.id in known:
            yield child
        yield from _refer_to_locals(child, known)
        if isinstance(child, _Function):
            yield from _in_function(child, known)


def _in_function(function: _Function, known: frozenset[str]) -> Iterator[ast.Name]:
    body = function.body if isinstance(function.body, list) else [function.body]
    own = (known | frozenset(_bound(function, body))) - frozenset(_declared(body))
    for statement in body:
        if isinstance(statement, ast.Name) and statement.id in own:
            yield statement
        yield from _refer_to_locals(statement, own)


def _bound(function: _Function, body: list[ast.stmt] | list[ast.expr]) -> Iterator[str]:
    arguments = function.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        yield argument.arg
    for extra in (arguments.vararg, arguments.kwarg):
        if extra is not None:
            yield extra.arg
    for node in _statements(body):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _declared(body: list[ast.stmt] | list[ast.expr]) -> Iterator[str]:
    for node in _statements(body):
        if isinstance(node, ast.Global | ast.Nonlocal):
            yield from node.names


def _statements(nodes: list[ast.stmt] | list[ast.expr]) -> Iterator[ast.AST]:
    """What belongs to one function: not what is inside another scope."""
    for node in nodes:
        yield from _open(node)


def _open(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    if not isinstance(node, _CLOSED):
        for child in ast.iter_child_nodes(node):
            yield from _open(child)
