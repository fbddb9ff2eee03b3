"""Attacks in place of proposals and answers, played through whole rounds.

Each pays where a judge evaluates, compares or prints what a model wrote. Here none may pay, none
may run outside of a guest, and the honest answer next to it must earn what it always earns.
"""

import builtins
import os
import tempfile
from pathlib import Path

import pytest

from engine.play.judge import LOST
from engine.wire.messages import Kind, Role

DOUBLES = "x):\n    y = x * 2\n    return y\nprint(f(21))"
ALWAYS_EQUAL = (
    "type('E', (), {'__eq__': lambda s, o: True, '__hash__': lambda s: 0, "
    "'__repr__': lambda s: '42'})()"
)
CANARY = Path(tempfile.gettempdir()) / f"kelvin-canary-{os.getpid()}"
TOUCH = f"open({str(CANARY)!r}, 'w').write('x')"
PLANT = "__import__('builtins').__dict__.__setitem__('kelvin_canary', 1)"
EXPORT = "__import__('os').environ.__setitem__('KELVIN_CANARY', '1')"

DEDUCTION_ATTACKS = {
    "W1 the name of the gold": [
        "gold",
        "output",
        "expected",
        "y",
        "f(21)",
        "task.examples[0].gold",
    ],
    "W2 an object equal to everything": [ALWAYS_EQUAL, f"[{ALWAYS_EQUAL}]"],
    "W3 code of ours to run": [
        TOUCH,
        PLANT,
        EXPORT,
        "__import__('os').getpid()",
        "print(42) or 42",
    ],
    "W4 a computation without end": ["9 ** 9 ** 9", "sum(range(10 ** 12))", "'a' * 10 ** 12"],
}
ABDUCTION_ATTACKS = {
    "W5 a call closed and widened": ["0) or True", "0) == 42 or (True", "0) if 0 else f(21"],
    "W6 a print of the verdict": ["print('True'))", "print('True') or 0)", "exit())"],
    "W7 an equal object passed through": [f"{ALWAYS_EQUAL})", f"x={ALWAYS_EQUAL})"],
    "W8 a comparison that gives source": [
        f"type('S', (str,), {{'__eq__': lambda s, o: {TOUCH!r}}})())", f"{TOUCH})", f"{PLANT})",
    ],
}  # fmt: skip
READ_CALLERS = """*a):
    import sys
    g = sys._getframe(1)
    while g:
        for n in ('gold', 'wanted', 'expected', 'outputs', 'examples'):
            if n in g.f_locals:
                return g.f_locals[n]
        g = g.f_back"""
INDUCTION_ATTACKS = {
    "W9 an equal object returned": [
        f"*a):\n    return {ALWAYS_EQUAL}",
        "*a):\n    class E(str):\n        __eq__ = lambda s, o: True\n    return E('x')",
    ],
    "W9 the gold in the caller's frame": [
        READ_CALLERS,
        "*a):\n    import gc\n    return [o for o in gc.get_objects() if type(o) is bytes]",
    ],
    "W3 code of ours to run": [
        f"*a):\n    {TOUCH}\n    return a[0]",
        f"*a):\n    {PLANT}\n    {EXPORT}",
        "*a):\n    import os\n    os.kill(os.getppid(), 9)\n    return a[0]",
    ],
    "an exit that says well": [
        "*a):\n    import os\n    os._exit(0)",
        "*a):\n    raise SystemExit(0)",
    ],
}  # fmt: skip
PROPOSER_ATTACKS = {
    "W10 a value whose text is code": (
        f"x):\n    class R:\n        def __repr__(self):\n            return {TOUCH!r}\n"
        "    return R()\nprint(f(1))"
    ),
    "W10 a subclass of str with a text of its own": (
        f"x):\n    class R(str):\n        def __repr__(self):\n            return {PLANT!r}\n"
        "    return R('a')\nprint(f(1))"
    ),
    "code in the arguments": f"x):\n    return [x]\nprint(f({TOUCH}))",
    "code at the top": f"x):\n    return [x]\n{TOUCH}\nprint(f(1))",
    "code while it runs": f"x):\n    {EXPORT}\n    return [x]\nprint(f(1))",
    "a file opened by another name": (
        f"x, o=open):\n    o({str(CANARY)!r}, 'w')\n    return [x]\nprint(f(1))"
    ),
    "a file through a subclass": (
        "x):\n    for c in object.__subclasses__():\n        if 'FileIO' in str(c):\n"
        f"            c({str(CANARY)!r}, 'w')\n    return [x]\nprint(f(1))"
    ),
    "patched builtins": (
        "x):\n    import builtins\n    builtins.sorted = lambda v: [666]\n"
        "    return sorted(x)\nprint(f([2, 1]))"
    ),
}  # fmt: skip


@pytest.fixture
def untouched():
    """Fails if anything that a model wrote has run in this process, or outside of a guest."""
    CANARY.unlink(missing_ok=True)
    before = dict(os.environ)
    yield
    assert not CANARY.exists()
    assert not hasattr(builtins, "kelvin_canary")
    assert {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"} == {
        k: v for k, v in before.items() if k != "PYTEST_CURRENT_TEST"
    }
    assert sorted([3, 1]) == [1, 3]


async def assert_only_the_honest_answer_pays(play, kind, proposal, answers, honest):
    replies = [*answers, honest]
    played = await play(kind, propose=[proposal], solve=replies, attempts=len(replies))
    assert played.fates() == ["admitted"]
    rewards = played.rewards_by_text(Role.SOLVER)
    assert rewards.keys() == set(replies), "an answer was cut or lost"
    assert [text for text, reward in rewards.items() if reward > 0] == [honest]
    assert rewards[honest] == 1.0


@pytest.mark.parametrize("name", DEDUCTION_ATTACKS)
async def test_t06_an_attack_as_a_deduction_answer_earns_nothing(play, untouched, name):
    answers = [f" {answer}\n" for answer in DEDUCTION_ATTACKS[name]]
    await assert_only_the_honest_answer_pays(play, Kind.DEDUCTION, DOUBLES, answers, " 42\n")


@pytest.mark.parametrize("name", ABDUCTION_ATTACKS)
async def test_t06_an_attack_as_an_abduction_answer_earns_nothing(play, untouched, name):
    answers = [f"{answer}\n" for answer in ABDUCTION_ATTACKS[name]]
    await assert_only_the_honest_answer_pays(play, Kind.ABDUCTION, DOUBLES, answers, "21)\n")


@pytest.mark.parametrize("name", INDUCTION_ATTACKS)
async def test_t06_an_attack_as_an_induction_answer_earns_nothing(play, untouched, name):
    described = " puts it in a list\nf('a')\nf(2)\nf([3])\nf((4,))\n\n"
    answers = [f"{answer}\n\n" for answer in INDUCTION_ATTACKS[name]]
    await assert_only_the_honest_answer_pays(
        play, Kind.INDUCTION, described, answers, "x):\n    return [x]\n\n"
    )


async def test_t06_attacks_as_proposals_are_no_tasks_and_an_honest_one_is(play, untouched):
    attacks = list(PROPOSER_ATTACKS.values())
    played = await play(Kind.DEDUCTION, propose=[*attacks, DOUBLES], solve=[" 42\n", " 1\n"])
    fates = dict(zip([*PROPOSER_ATTACKS, "honest"], played.fates(), strict=True))
    assert [name for name, fate in fates.items() if fate == "admitted"] == ["honest"]
    assert LOST not in fates.values()
    assert played.rewards(Role.PROPOSER) == [-1.0] * len(attacks) + [0.5]


async def test_t17_a_description_that_holds_the_program_is_no_task(play):
    told = [
        " return [x]\nf(1)\nf(2)\nf(3)\nf(4)\n\n",
        " def f(x): gives x\nf(1)\nf(2)\nf(3)\nf(4)\n\n",
        " lambda x: x\nf(1)\nf(2)\nf(3)\nf(4)\n\n",
    ]
    played = await play(Kind.INDUCTION, propose=told, solve=["x"])
    assert played.fates() == ["leak"] * 3
    assert played.rewards(Role.PROPOSER) == [-1.0] * 3
