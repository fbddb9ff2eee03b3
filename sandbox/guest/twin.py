"""The twin of a program: the same program where whatever Python leaves open is drawn by lot.

Two processes that agree on one hidden bit agree by chance every second time. The twin does not
wait for chance: its sets come in another order at every call, addresses in its texts are others,
it has less room on the stack and on the heap. A function of its arguments does not notice.

The twin is source text, made here from the tree in a guest that never runs the program, and sent
by the host like any program, behind the text of `lots.py`. What is rewritten:

    set, frozenset, {a, b}, {x for ...}    to types that draw their order
    a & b, where a set may come of views   to a set that draws its order
    f"{x}", "%s" % x, results of calls     with texts whose addresses are drawn
    f                                      to another name, so that only calls from outside draw

No twin is given (the text is empty) where that would change more than what is open: names of the
twin's or of builtins it needs rebound, `is` beside set types, or a tree that cannot be written.
"""

import ast
from collections.abc import Iterator

from sandbox.guest.normal import Function, bound_names
from sandbox.guest.sources import SET_FUNCTIONS, SET_OPERATORS, VIEWS

MAX_BYTES = 16_384
"""A twin over this is not given; the size of an inspection is bounded."""

_SETS = {"set": "_lot_set", "frozenset": "_lot_frozenset"}
_TEXT_METHODS = frozenset({"format", "format_map", "join", "mod", "__repr__", "__str__", "__mod__"})
_PASSED_ON = frozenset({"str", "repr", "ascii", "format"})
_TAKE_FUNCTIONS = frozenset({"map", "filter", "sorted", "min", "max", "reduce", "sort", "groupby"})
_NEEDED = frozenset({
    "set", "frozenset", "list", "tuple", "dict", "str", "type", "hash", "sorted", "any", "len",
    "isinstance", "callable", "repr", "bytes", "setattr", "getattr", "int", "float", "bool",
    "complex", "RuntimeError",
})  # fmt: skip


def twin(tree: ast.Module) -> str:
    """Source of the twin without its preamble, or "" if there is none. Changes the tree."""
    if _is_unfit(tree):
        return ""
    has_views = any(isinstance(n, ast.Attribute) and n.attr in VIEWS for n in ast.walk(tree))
    try:
        _Rewriting(has_views=has_views).visit(tree)
        text = ast.unparse(ast.fix_missing_locations(tree)) + _END
        compile(text, "<twin>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""  # before 3.12 some f-strings cannot be written back
    return text if len(text.encode("utf-8", "surrogatepass")) <= MAX_BYTES else ""


_END = "\n_lot_f.__name__ = _lot_f.__qualname__ = 'f'\nf = _lot_twin(_lot_f)\n"


def _is_unfit(tree: ast.Module) -> bool:
    entries = {id(node) for node in tree.body if isinstance(node, ast.FunctionDef)}
    return (
        any(_rebinds(node, is_entry=id(node) in entries) for node in ast.walk(tree))
        or any(_NEEDED & set(_names(node)) for node in _outside_functions(tree))
        or any(_compares_types(node) for node in ast.walk(tree))
    )


def _rebinds(node: ast.AST, *, is_entry: bool) -> bool:
    """Whether a name is bound that the twin gives another meaning, wherever that is."""
    names = set(_names(node))
    if isinstance(node, ast.Global | ast.Nonlocal) and names & (_NEEDED | {"f"}):
        return True
    if any(name.startswith("_lot_") for name in names) or names & _SETS.keys():
        return True
    return "f" in names and not is_entry


def _names(node: ast.AST) -> Iterator[str]:
    yield from bound_names(node)
    if isinstance(node, ast.Global | ast.Nonlocal):
        yield from node.names
    if isinstance(node, ast.alias):
        yield (node.asname or node.name).partition(".")[0]


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, Function | ast.ClassDef | ast.Lambda):
            yield from _outside_functions(child)


def _compares_types(node: ast.AST) -> bool:
    """Whether a set type is compared by identity, which no other type can stand for."""
    if not isinstance(node, ast.Compare):
        return False
    if not any(isinstance(operator, ast.Is | ast.IsNot) for operator in node.ops):
        return False
    operands = (node.left, *node.comparators)
    return any(isinstance(each, ast.Name) and each.id in _SETS for each in operands)


class _Rewriting(ast.NodeTransformer):
    def __init__(self, *, has_views: bool) -> None:
        self._has_views = has_views

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.decorator_list = [_moved(each) for each in node.decorator_list]
        self.generic_visit(node)
        if node.name == "f":
            node.name = "_lot_f"
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.decorator_list = [_moved(each) for each in node.decorator_list]
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id == "f":
            node.id = "_lot_f"
        elif isinstance(node.ctx, ast.Load):
            node.id = _SETS.get(node.id, node.id)
        return node

    def visit_Set(self, node: ast.Set) -> ast.AST:
        self.generic_visit(node)
        if len(node.elts) > 2 and all(isinstance(item, ast.Constant) for item in node.elts):
            return _call("_lot_mixed", node)  # the compiler folds it: the table is another
        return _call("_lot_set", ast.List(elts=node.elts, ctx=ast.Load()))

    def visit_SetComp(self, node: ast.SetComp) -> ast.AST:
        self.generic_visit(node)
        return _call("_lot_set", ast.ListComp(elt=node.elt, generators=node.generators))

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        is_number = any(_is_number(side) for side in (node.left, node.right))
        self.generic_visit(node)
        if isinstance(node.op, ast.Mod) and not is_number:
            return _call("_lot_text", node)
        if isinstance(node.op, SET_OPERATORS) and self._has_views and not is_number:
            return _call("_lot_mixed", node)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        is_set = self._has_views and isinstance(node.op, SET_OPERATORS)
        if not isinstance(node.target, ast.Name) or not (is_set or isinstance(node.op, ast.Mod)):
            return node
        again = ast.Name(id=node.target.id, ctx=ast.Load())
        target = ast.Name(id=node.target.id, ctx=ast.Store())
        return [
            node,
            ast.Assign(
                targets=[target], value=_call("_lot_mixed" if is_set else "_lot_text", again)
            ),
        ]

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        self.generic_visit(node)
        return _call("_lot_text", node)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        node.value = self.visit(node.value)
        return node  # the specification stays what it is: it is no text of its own

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        is_maker = node.attr in _TEXT_METHODS and isinstance(node.ctx, ast.Load)
        return _call("_lot_texts", node) if is_maker else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        function = node.func
        if _name_of(function) in _TAKE_FUNCTIONS:
            _pass_on(node)
        if isinstance(function, ast.Attribute):  # called at once: no need to wrap it as well
            function.value = self.visit(function.value)
        else:
            node.func = self.visit(function)
        node.args = [self.visit(arg) for arg in node.args]
        node.keywords = [self.visit(keyword) for keyword in node.keywords]
        whole = _call("_lot_text", node)
        return _call("_lot_mixed", whole) if _name_of(function) in SET_FUNCTIONS else whole


def _pass_on(node: ast.Call) -> None:
    """`map(str, ...)`, `sorted(..., key=repr)`: makers of texts that are not called here."""
    node.args = [_moved(arg) for arg in node.args]
    for keyword in node.keywords:
        keyword.value = _moved(keyword.value)


def _moved(node: ast.expr) -> ast.expr:
    is_maker = isinstance(node, ast.Name) and node.id in _PASSED_ON
    return _call("_lot_texts", node) if is_maker else node


def _name_of(function: ast.expr) -> str:
    if isinstance(function, ast.Name):
        return function.id
    return function.attr if isinstance(function, ast.Attribute) else ""


def _call(name: str, argument: ast.expr) -> ast.Call:
    return ast.Call(func=ast.Name(id=name, ctx=ast.Load()), args=[argument], keywords=[])


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float, complex)
