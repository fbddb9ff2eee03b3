"""How complex programs are, and how far apart: measured in a child process (`syntax_child.py`).

Cognitive complexity is complexipy's and Halstead's measures are radon's, both of the extra
`complexity`. The distance of two syntax trees is that of their pq-grams (Augsten, Boehlen, Gamper:
Approximate matching of hierarchical data using pq-grams, VLDB 2005): 0 for equal trees, 1 for trees
that share no small piece; it bounds the edit distance and costs n log n.
"""

import asyncio
import json
import sys
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

_CHILD = Path(__file__).with_name("syntax_child.py")
P, Q = 2, 3
"""Ancestors and siblings of a pq-gram."""
WAIT_S = 120.0
Tree = Sequence[tuple[int, str]]
"""Nodes in preorder: depth and type."""
Profile = Counter[tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Syntax:
    """What the child says of one program."""

    tree: Tree
    cognitive: float | None
    """Cognitive complexity; None without complexipy."""
    volume: float | None
    """Halstead's volume; None without radon."""
    effort: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Distances of trees among each other; 0 for fewer than two."""

    mean: float
    """Over all pairs."""
    nearest: float
    """Over all trees, that to the most similar other one."""


async def measure(programs: Sequence[str]) -> list[Syntax | None]:
    """One entry a program, in order; None for what the child could not parse, or died of."""
    found: list[Syntax | None] = []
    while len(found) < len(programs):
        told = await _ask(programs[len(found) :])
        found += told
        if len(found) < len(programs):  # it died of the next one
            found.append(None)
    return found


def spread(trees: Sequence[Tree]) -> Spread:
    """How far apart the trees are, all pairs compared: for some dozens of them."""
    profiles = [profile(tree) for tree in trees]
    nearest = [1.0] * len(profiles)
    total = 0.0
    for a, b in combinations(range(len(profiles)), 2):
        apart = distance(profiles[a], profiles[b])
        total += apart
        nearest[a], nearest[b] = min(nearest[a], apart), min(nearest[b], apart)
    num_pairs = len(profiles) * (len(profiles) - 1) // 2
    if not num_pairs:
        return Spread(mean=0.0, nearest=0.0)
    return Spread(mean=total / num_pairs, nearest=sum(nearest) / len(nearest))


def profile(tree: Tree) -> Profile:
    """The pq-grams of a tree: P ancestors, the last the node itself, and Q children in a row."""
    children: list[list[str]] = [[] for _ in tree]
    stems: list[tuple[str, ...]] = []
    path: list[int] = []
    for index, (depth, name) in enumerate(tree):
        del path[depth:]
        if path:
            children[path[-1]].append(name)
        path.append(index)
        above = [tree[each][1] for each in path[-P:]]
        stems.append(tuple(["*"] * (P - len(above)) + above))
    grams: Profile = Counter()
    for stem, names in zip(stems, children, strict=True):
        padded = [*["*"] * (Q - 1), *names, *["*"] * (Q - 1)] if names else ["*"] * Q
        window = deque[str](maxlen=Q)
        for name in padded:
            window.append(name)
            if len(window) == Q:
                grams[(*stem, *window)] += 1
    return grams


def distance(one: Profile, other: Profile) -> float:
    """1 - 2 |common| / |all|, of bags."""
    total = one.total() + other.total()
    return 1 - 2 * (one & other).total() / total if total else 0.0


async def _ask(programs: Sequence[str]) -> list[Syntax | None]:
    """What one child says before it ends; fewer than asked if it died."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(_CHILD),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    lines = "".join(json.dumps(program) + "\n" for program in programs)
    said = b""
    try:
        async with asyncio.timeout(WAIT_S):
            said, _ = await child.communicate(lines.encode())
    except TimeoutError:
        pass  # as if it had died of the first
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return [_read(line) for line in said.decode().split("\n")[:-1]]


def _read(line: str) -> Syntax | None:
    facts = json.loads(line)
    if facts is None:
        return None
    return Syntax(
        tree=[(depth, name) for depth, name in facts["tree"]],
        cognitive=facts.get("cognitive"),
        volume=facts.get("volume"),
        effort=facts.get("effort"),
    )
