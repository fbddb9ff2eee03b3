"""What the contenders run: honest programs with their values, and attackers among them.

Every honest program's values are written down here, not computed by a contender. An attacker has
no right result; it only has to end, and the programs around it have to stay right.
"""

from dataclasses import dataclass

from sandbox.bench import SORT, Case


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A list of calls that is run round and round."""

    name: str
    says: str
    cases: tuple[Case, ...]
    wall_s: float = 10.0
    """Wall limit of a call, the same for everybody who has one."""
    is_hostile: bool = False

    @property
    def request(self) -> dict[str, object]:
        """As `sandbox.turn` reads it."""
        return {"cases": [case.to_json() for case in self.cases]}

    def round(self, seconds: float) -> dict[str, object]:
        """The request of one turn. With attackers it is a whole number of rounds of the list,
        not of seconds: everybody is to meet the same attackers."""
        return self.request | (
            {"calls": len(self.cases)} if self.is_hostile else {"seconds": seconds}
        )


def _case(program: str, args: str, expected: str) -> Case:
    return Case(program=program, args=(args,), expected=(expected,))


FIVE = (
    _case("def f(x): return sorted(x)[::-1]", "[3, 1, 2]", "[3, 2, 1]"),
    _case("def f(n):\n a, b = 0, 1\n for _ in range(n): a, b = b, a + b\n return a", "90",
          "2880067194370816120"),
    _case("def f(s): return ''.join(c.upper() if i % 2 else c for i, c in enumerate(s))",
          "'absolute zero'", "'aBsOlUtE ZeRo'"),
    _case("import collections\ndef f(x): return dict(sorted(collections.Counter(x).items()))",
          "'banana'", "{'a': 3, 'b': 1, 'n': 2}"),
    _case("def f(x):\n return sum(i * i for i in range(x))", "20000", "2666466670000"),
)  # fmt: skip

_TEN = Case(
    program="def f(x, k=1): return [x * k, x + k]",
    args=tuple(f"{x}, k={x + 1}" for x in range(10)),
    expected=tuple(str([x * (x + 1), x + x + 1]) for x in range(10)),
)
_COMPUTE = _case(
    "def f(n):\n total = 0\n for i in range(n): total += i * i % 7\n return total",
    "200_000",
    str(sum(i * i % 7 for i in range(200_000))),
)

_ATTACKERS = tuple(
    Case(program=program, args=("0",), expected=None)
    for program in (
        "def f(x):\n while True: pass",
        "import time\ndef f(x): time.sleep(60)",
        "def f(x): return len([bytearray(1 << 20) for _ in range(400)])",
        "def f(x): return 'A' * 30_000_000",
        "def f(x):\n for _ in range(20): print('A' * 1_000_000)",
    )
)
"""Spin, sleep, hold memory, answer too much, print too much. 400 MB at most: a rival without a
memory limit lets it through, and the benchmark is not to bring its own machine down."""


def sized(source_bytes: int) -> Case:
    """A program of about this many bytes, nearly all of them functions that nobody calls."""
    parts = ["def f(x): return g(x)[::-1]\ndef g(x): return [x, x + 1]\n"]
    part = "def g{0}(x):\n    y = x * {0} + 1\n    return [y, y - {0}] if y > {0} else y - 1\n"
    while sum(map(len, parts)) < source_bytes:
        parts.append(part.format(len(parts)))
    return _case("".join(parts), "3", "[4, 3]")


def mixed(honest: tuple[Case, ...], *, every: int = 20) -> tuple[Case, ...]:
    """One attacker in `every` calls, each attacker once."""
    return tuple(
        _ATTACKERS[index // every] if index % every == every // 2 else honest[index % len(honest)]
        for index in range(every * len(_ATTACKERS))
    )


WORKLOADS = (
    Workload(name="sort", says="sorted([3, 1, 2])", cases=(SORT,)),
    Workload(name="five", says="five small programs in turn", cases=FIVE),
    Workload(name="ten", says="one program on ten argument lists", cases=(_TEN,)),
    Workload(name="compute", says="about 10 ms of arithmetic", cases=(_COMPUTE,)),
    Workload(name="large", says="a source of 30 KB", cases=(sized(30_000),)),
    Workload(
        name="mixed",
        says="the five, every 20th call an attacker; wall limit 0.5 s",
        cases=mixed(FIVE),
        wall_s=0.5,
        is_hostile=True,
    ),
)
