"""A process of its own that parses programs of a model and says how complex they are.

Run by file name, isolated (`python -I`), and imported by nobody: text of a model is never parsed as
code in the engine. It limits itself before it reads, so that a program made to break a parser ends
this process and nothing else. One JSON line in, one out:

    "def f(x): ..."  ->  {"tree": [[depth, type], ...], "cognitive": 3, "volume": 20.7, "effort": 9}

Trees are in preorder. The figures are those of complexipy (cognitive complexity) and radon
(Halstead's volume and effort), absent where these are not installed; null where the text is no
program.
"""

import ast
import contextlib
import json
import resource
import sys
from collections.abc import Iterator

CPU_S = 60
MEMORY_BYTES = 1 << 30
MAX_NODES = 5000


def main() -> None:
    """Answer until the input ends."""
    for kind, limit in (
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_facts(json.loads(line))) + "\n")
        sys.stdout.flush()


def _facts(source: str) -> dict[str, object] | None:
    try:
        tree = ast.parse(source)
        facts: dict[str, object] = {"tree": list(_preorder(tree, 0))[:MAX_NODES]}
        with contextlib.suppress(ImportError):
            from complexipy import code_complexity

            facts["cognitive"] = code_complexity(source).complexity
        with contextlib.suppress(ImportError):
            from radon.metrics import h_visit_ast

            halstead = h_visit_ast(tree).total
            facts |= {"volume": halstead.volume, "effort": halstead.effort}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return facts


def _preorder(node: ast.AST, depth: int) -> Iterator[tuple[int, str]]:
    yield depth, type(node).__name__
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr_context):
            yield from _preorder(child, depth + 1)


if __name__ == "__main__":
    main()
