"""What the scripted model says: replies that are a function of the prompt alone.

Proposals of each round differ from one another and from those of other rounds; some are no tasks.
Answers are right, wrong and malformed by turns, so that every cell has an advantage.
"""

import ast
import random
import re
from hashlib import sha256

_LINEAR = re.compile(r"def f\(x\):\n    return x \* (-?\d+) \+ (-?\d+)")
_LISTED = re.compile(r"def f\(x\):\n    return \[x, x \+ (-?\d+), (-?\d+)\]")
_EXAMPLE = re.compile(r"assert f\((-?\d+)\) == (.+)")


def replies(prompt: str) -> list[str]:
    """Four replies to any prompt of the engine."""
    heading, _, rest = prompt.partition("\n")
    block = rest.split("\n\n")[-1]
    dice = random.Random(sha256(prompt.encode()).digest())
    if "each with one call" in heading:
        return _programs(dice)
    if "each with what it does" in heading:
        return _descriptions(dice)
    if "exact result of a call" in heading:
        return _varied(dice, " {}\n", right=_result(block), wrong=" nothing like it: \n")
    if "a call that gives the result" in heading:
        return _varied(dice, "{})\n", right=_argument(block), wrong="0\n")
    return _varied(dice, "x):\n    return {}\n\n", right=_expression(block), wrong="?\n\n")


def _programs(dice: random.Random) -> list[str]:
    a, b, c = (dice.sample(range(2, 100_000), 4) for _ in range(3))
    broken = dice.choice(
        [
            "x):\n    return x\n\n",  # no call
            "x):\n    return x / 0\nprint(f(1))\n\n",  # raises
            "x):\n    return 7\nprint(f(1))\n\n",  # trivial
            "x):\n    return x +\nprint(f(1))\n\n",  # no Python
        ]
    )
    return [
        f"x):\n    return x * {a[0]} + {b[0]}\nprint(f({c[0]}))\n\n",
        f"x):\n    return [x, x + {a[1]}, {b[1]}]\nprint(f({c[1]}))\n\n",
        broken,
        f"x):\n    return x * {a[2]} + {b[2]}\nprint(f({c[2]}))\n\n",
    ]


def _descriptions(dice: random.Random) -> list[str]:
    names = dice.sample(range(100_000), 3)
    inputs = [dice.sample(range(2, 10_000), 4) for _ in names]
    whole = [
        "\n".join([f" case {name}", *(f"f({each})" for each in given)]) + "\n\n"
        for name, given in zip(names, inputs, strict=True)
    ]
    return [*whole, " too few inputs\nf(1)\nf(1)\n\n"]


def _varied(dice: random.Random, form: str, *, right: str, wrong: str) -> list[str]:
    """A right answer, a wrong one, a malformed one, and one that is either."""
    told = [form.format(right), form.format("[0]"), wrong, form.format(dice.choice([right, "1"]))]
    dice.shuffle(told)
    return told


def _result(block: str) -> str:
    x = int(re.findall(r"assert f\((-?\d+)\) ==", block)[-1])
    if linear := _LINEAR.search(block):
        return str(x * int(linear[1]) + int(linear[2]))
    if listed := _LISTED.search(block):
        return str([x, x + int(listed[1]), int(listed[2])])
    return str([x])


def _argument(block: str) -> str:
    value = ast.literal_eval(re.findall(r"assert (.+) == f\(", block)[-1])
    if linear := _LINEAR.search(block):
        return str((value - int(linear[2])) // int(linear[1]))
    return str(value[0])


def _expression(block: str) -> str:
    """What gives the shown examples."""
    (x, first), (y, second) = [
        (int(argument), ast.literal_eval(value)) for argument, value in _EXAMPLE.findall(block)
    ]
    if isinstance(first, int):
        slope = (second - first) // (y - x)
        return f"x * {slope} + {first - slope * x}"
    return f"[x, x + {first[1] - x}, {first[2]}]" if len(first) == 3 else "[x]"
