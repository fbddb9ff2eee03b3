"""Random small programs with inputs that fit them and a sentence about what they do.

A program is put together from a table of typed steps. Parameters are named after their types (`n`
and `k` numbers, `xs` a list of them, `s` a string, `ws` words), which is what lets a model of a
million parameters write a call that fits its own program.

The values that programs give are obtained by running them here, in this process. That is safe for
the reason that it would not be elsewhere: every program is made of this file's own tables, and no
model has had a hand in it.
"""

import random
from dataclasses import dataclass

Step = tuple[str, str, str]
"""Expression with {v} for its input, the type of its value, what it does in words.

{c} is a number from 1 to 9, {d} one from 2 to 5, {q} a letter.
"""

_STEPS: dict[str, list[Step]] = {
    "n": [
        ("{v} + {c}", "n", "adds {c}"),
        ("{v} - {c}", "n", "takes away {c}"),
        ("{c} - {v}", "n", "subtracts from {c}"),
        ("{v} * {d}", "n", "multiplies by {d}"),
        ("{v} % {d}", "n", "takes the rest after division by {d}"),
        ("{v} // {d}", "n", "divides by {d}"),
        ("max({v}, {c})", "n", "gives at least {c}"),
        ("min({v}, {c})", "n", "gives at most {c}"),
        ("abs({v} - {c})", "n", "measures the distance from {c}"),
        ("{v} * {v}", "n", "squares"),
        ("{v} > {c}", "b", "tells whether it is above {c}"),
        ("{v} % 2 == 0", "b", "tells whether it is even"),
        ("[{v}, {c}]", "xs", "makes a list with {c}"),
        ("list(range({v} % {d}))", "xs", "counts up to the rest after division by {d}"),
        ("str({v})", "s", "writes as text"),
        ("'{q}' * ({v} % {d})", "s", "repeats the letter {q} by the rest after division by {d}"),
    ],
    "xs": [
        ("len({v})", "n", "counts the numbers"),
        ("sum({v})", "n", "adds up"),
        ("max({v})", "n", "finds the largest"),
        ("min({v})", "n", "finds the smallest"),
        ("{v}[0]", "n", "takes the first"),
        ("{v}[-1]", "n", "takes the last"),
        ("{v}.count({c})", "n", "counts how often {c} is there"),
        ("{v}[::-1]", "xs", "reverses"),
        ("sorted({v})", "xs", "sorts"),
        ("{v}[1:]", "xs", "drops the first"),
        ("{v}[:{d}]", "xs", "keeps the first {d}"),
        ("{v} + [{c}]", "xs", "puts {c} at the end"),
        ("[x + {c} for x in {v}]", "xs", "adds {c} to each"),
        ("[x * {d} for x in {v}]", "xs", "multiplies each by {d}"),
        ("[x for x in {v} if x > {c}]", "xs", "keeps those above {c}"),
        ("[x for x in {v} if x % 2 == 0]", "xs", "keeps the even ones"),
        ("{c} in {v}", "b", "tells whether {c} is there"),
    ],
    "s": [
        ("len({v})", "n", "counts the letters"),
        ("{v}.count('{q}')", "n", "counts the letter {q}"),
        ("{v}.find('{q}')", "n", "finds the place of {q}"),
        ("{v}[::-1]", "s", "turns around"),
        ("{v}.upper()", "s", "makes capitals"),
        ("{v} + '{q}'", "s", "puts {q} at the end"),
        ("'{q}' + {v}", "s", "puts {q} in front"),
        ("{v}[1:]", "s", "drops the first letter"),
        ("{v}[:{d}]", "s", "keeps the first {d} letters"),
        ("{v} * 2", "s", "says it twice"),
        ("{v}.replace('{q}', '')", "s", "takes out the letter {q}"),
        ("''.join(sorted({v}))", "s", "sorts the letters"),
        ("list({v})", "ws", "makes a list of letters"),
        ("'{q}' in {v}", "b", "tells whether {q} is there"),
    ],
    "ws": [
        ("len({v})", "n", "counts the words"),
        ("'{q}'.join({v})", "s", "joins with {q}"),
        ("' '.join({v})", "s", "joins with blanks"),
        ("[len(w) for w in {v}]", "xs", "gives the length of each"),
        ("[w.upper() for w in {v}]", "ws", "makes each capitals"),
        ("[w + '{q}' for w in {v}]", "ws", "puts {q} after each"),
        ("{v}[::-1]", "ws", "reverses"),
        ("sorted({v})", "ws", "sorts"),
        ("max({v})", "s", "takes the last by letter"),
    ],
}

_PAIRS: dict[tuple[str, str], list[Step]] = {
    ("n", "k"): [
        ("n + k", "n", "adds both"),
        ("n * k", "n", "multiplies both"),
        ("n - k", "n", "subtracts the second"),
        ("max(n, k)", "n", "takes the larger"),
        ("n > k", "b", "tells whether the first is larger"),
        ("[n, k]", "xs", "makes a list of both"),
        ("list(range(n, n + k))", "xs", "counts from the first, as often as the second says"),
    ],
    ("xs", "k"): [
        ("[x + k for x in xs]", "xs", "adds k to each"),
        ("[x * k for x in xs]", "xs", "multiplies each by k"),
        ("[x for x in xs if x > k]", "xs", "keeps those above k"),
        ("xs + [k]", "xs", "puts k at the end"),
        ("xs[:k]", "xs", "keeps the first k"),
        ("xs.count(k)", "n", "counts how often k is there"),
        ("k in xs", "b", "tells whether k is there"),
    ],
    ("s", "k"): [
        ("s * k", "s", "repeats k times"),
        ("s[:k]", "s", "keeps the first k letters"),
        ("s[k:]", "s", "drops the first k letters"),
        ("s + str(k)", "s", "puts k at the end"),
    ],
    ("s", "t"): [
        ("s + t", "s", "puts both together"),
        ("t + s", "s", "puts the second in front"),
        ("[s, t]", "ws", "makes a list of both"),
        ("t in s", "b", "tells whether the second is in the first"),
    ],
}

_CONDITIONS: dict[str, list[tuple[str, str]]] = {
    "n": [("n > {c}", "above {c}"), ("n % 2 == 0", "even"), ("n < {c}", "below {c}")],
    "xs": [
        ("len(xs) > {d}", "longer than {d}"),
        ("{c} in xs", "{c} is there"),
        ("xs[0] > {c}", "the first is above {c}"),
    ],
    "s": [("len(s) > {d}", "longer than {d}"), ("'{q}' in s", "{q} is there")],
}

_LOOPS: list[tuple[str, str, str]] = [
    ("xs", "total = 0\nfor x in xs:\n    total += x * {d}\nreturn total", "adds up {d} times each"),
    (
        "xs",
        "total = {c}\nfor x in xs:\n    if x > {c}:\n        total += x\nreturn total",
        "adds those above {c} to {c}",
    ),
    ("xs", "out = []\nfor x in xs:\n    out.append(x + {c})\nreturn out", "adds {c} to each"),
    (
        "xs",
        "out = []\nfor x in xs:\n    if x != {c}:\n        out.append(x)\nreturn out",
        "leaves out {c}",
    ),
    ("n", "total = 0\nfor i in range(n):\n    total += i\nreturn total", "adds up all below"),
    ("n", "while n > {c}:\n    n -= {d}\nreturn n", "takes away {d} while above {c}"),
    (
        "n",
        "out = []\nfor i in range(n):\n    out.append(i * {d})\nreturn out",
        "lists {d} times each",
    ),
    ("s", "out = ''\nfor c in s:\n    out = c + out\nreturn out", "turns around letter by letter"),
    (
        "s",
        "out = ''\nfor c in s:\n    if c != '{q}':\n        out += c\nreturn out",
        "leaves out the letter {q}",
    ),
]

_LETTERS = "abcdeo"
_WORDS = ["a", "be", "cat", "dog", "ace", "code", "bead", "dad", "ode", "cab"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """A program, argument lists that fit it, the values it gives, and what it does in words."""

    program: str
    message: str
    args: tuple[str, ...]
    """Different from each other."""
    values: tuple[str, ...]
    """What the program gives for each, as literal text."""


def sketch(rng: random.Random, *, num_inputs: int, without: frozenset[str] = frozenset()) -> Sketch:
    """A random program with `num_inputs` different calls; none of the programs `without`."""
    while True:
        parameters, body, message = rng.choice([_plain, _plain, _two_steps, _pair, _branch, _loop])(
            rng
        )
        lines = [f"    {line}" for line in body.split("\n")]
        program = "\n".join([f"def f({', '.join(parameters)}):", *lines])
        if program in without:
            continue
        made = _run(program, [_inputs(parameters, rng) for _ in range(3 * num_inputs)])
        if len(made) >= num_inputs:
            args, values = zip(*list(made.items())[:num_inputs], strict=True)
            return Sketch(program=program, message=message, args=args, values=values)


_Draft = tuple[tuple[str, ...], str, str]
"""Parameters, body, message."""


def _plain(rng: random.Random) -> _Draft:
    name = rng.choice(["n", "xs", "s", "ws"])
    code, _, words = rng.choice(_STEPS[name])
    return (name,), *_fill(rng, "return " + code.replace("{v}", name), words)


def _two_steps(rng: random.Random) -> _Draft:
    name = rng.choice(["n", "xs", "s", "ws"])
    first, kind, words = rng.choice([step for step in _STEPS[name] if step[1] != "b"])
    second, _, more = rng.choice(_STEPS[kind])
    code = f"y = {first.replace('{v}', name)}\n" + "return " + second.replace("{v}", "y")
    first_code, rest = code.split("\n")
    head, words = _fill(rng, first_code, words)
    tail, more = _fill(rng, rest, more)
    return (name,), f"{head}\n{tail}", f"{words}, then {more}"


def _pair(rng: random.Random) -> _Draft:
    names = rng.choice(list(_PAIRS))
    code, kind, words = rng.choice(_PAIRS[names])
    if kind == "b" or rng.random() < 0.6:
        return names, *_fill(rng, f"return {code}", words)
    second, _, more = rng.choice(_STEPS[kind])
    tail, more = _fill(rng, "return " + second.replace("{v}", "y"), more)
    return names, f"y = {code}\n{tail}", f"{words}, then {more}"


def _branch(rng: random.Random) -> _Draft:
    name = rng.choice(list(_CONDITIONS))
    test, when = _fill(rng, *rng.choice(_CONDITIONS[name]))
    kind = rng.choice([name, "n"])
    steps = [step for step in _STEPS[name] if step[1] == kind]
    one, two = (_fill(rng, s[0].replace("{v}", name), s[2]) for s in rng.sample(steps, 2))
    body = f"if {test}:\n    return {one[0]}\nreturn {two[0]}"
    return (name,), body, f"if {when} {one[1]}, else {two[1]}"


def _loop(rng: random.Random) -> _Draft:
    name, body, words = rng.choice(_LOOPS)
    return (name,), *_fill(rng, body, words)


def _fill(rng: random.Random, code: str, words: str) -> tuple[str, str]:
    """Choose the constants of a step, the same in code and words."""
    constants = {
        "{c}": str(rng.randint(1, 9)),
        "{d}": str(rng.randint(2, 5)),
        "{q}": rng.choice(_LETTERS),
    }
    for mark, constant in constants.items():
        code, words = code.replace(mark, constant), words.replace(mark, constant)
    return code, words


def _inputs(parameters: tuple[str, ...], rng: random.Random) -> str:
    return ", ".join(repr(_value(name, rng)) for name in parameters)


def _value(name: str, rng: random.Random) -> object:
    match name:
        case "n":
            return rng.choice([rng.randint(0, 9), rng.randint(0, 20)])
        case "k":
            return rng.randint(0, 5)
        case "xs":
            return [rng.randint(0, 9) for _ in range(rng.randint(1, 5))]
        case "ws":
            return rng.sample(_WORDS, rng.randint(1, 3))
        case _:
            return "".join(rng.choice(_LETTERS) for _ in range(rng.randint(1, 5)))


def _run(program: str, argument_lists: list[str]) -> dict[str, str]:
    """Values by argument list, without the calls that fail. Only for this file's own programs."""
    made = {}
    for args in argument_lists:
        namespace: dict[str, object] = {}
        try:
            exec(f"{program}\nvalue = f({args})", namespace)
        except (IndexError, ValueError):  # an empty list has no first, no largest
            continue
        made[args] = repr(namespace["value"])
    return made
