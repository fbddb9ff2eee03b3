"""Whole rounds with known replies: rewards, fates, groups, and what the ring then holds.

Sandbox, store and ring are real; only the model recites.
"""

import asyncio
import builtins
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.config import EngineConfig
from engine.evaluate.held_out import certified_tasks
from engine.observe.audit import audit
from engine.observe.board import Board, round_row
from engine.play import judge as judge_module
from engine.play import propose as propose_module
from engine.play import solve as solve_module
from engine.play.judge import LOST, Rejected
from engine.play.loop import Player, RoundReport
from engine.play.outbox import Outbox
from engine.play.reward import Judgement
from engine.policy.scripted import ScriptedPolicy
from engine.tasks.seeds import SeedProgram
from engine.tasks.store import TaskStore
from engine.wire import Group, RingReader, RingWriter, RunDir, decode_group
from engine.wire.messages import Finish, Kind, Role
from sandbox import Sandbox

Reply = list[str]
VERSION = 5
SEED = SeedProgram(
    program="def f(x):\n    return [x]",
    inputs=("1", "'a'", "None", "(2,)"),
    message="wraps what it gets",
)


@dataclass
class Played:
    """What came of some rounds."""

    run: RunDir
    reports: list[RoundReport] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    proposals: list = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    """Of the ring."""
    stored: list[bytes] = field(default_factory=list)
    """Of the store's outbox."""

    def group(self, role: Role, index: int = 0) -> Group:
        return [group for group in self.groups if group.role is role][index]

    def rewards(self, role: Role, index: int = 0) -> list[float]:
        return [rollout.reward for rollout in self.group(role, index).rollouts]

    def fates(self) -> list[str]:
        return [row.fate for _, row in self.proposals]


async def play(
    sandbox: Sandbox,
    directory: Path,
    kind: Kind,
    *,
    propose: Reply,
    solve: Reply | Callable[[str], Reply],
    rounds: int = 1,
    attempts: int = 8,
) -> Played:
    """Play rounds of one kind with these replies."""

    def script(prompt: str) -> Reply:
        if prompt.startswith("# Python functions, each"):
            return propose
        return solve if isinstance(solve, list) else solve(prompt)

    config = EngineConfig(
        deduction=int(kind is Kind.DEDUCTION),
        abduction=int(kind is Kind.ABDUCTION),
        induction=int(kind is Kind.INDUCTION),
        proposals=len(propose),
        solver_rollouts=attempts,
        rounds_in_flight=1,
        proposal_tokens=2000,
        answer_tokens=2000,
    )
    played = Played(run=RunDir(directory).create())
    with TaskStore(played.run.tasks_db) as store:
        store.add_seeds(await certified_tasks(sandbox, [SEED], num_inputs=4))
        ring = RingWriter.open(played.run.ring, capacity=1 << 20, run_id=bytes(16))
        player = Player(
            config=config,
            policy=ScriptedPolicy(script, version=VERSION),
            sandbox=sandbox,
            store=store,
            outbox=Outbox(store, ring),
            batch_samples=10_000,
            consumed_seq=lambda: 0,
            on_round=played.reports.append,
        )
        async with asyncio.timeout(60):
            await player.play(lambda: len(played.reports) >= rounds)
        played.proposals = store.proposals()
        played.stored = [row.payload for row in store.outbox(0)]
        reader = RingReader.open(played.run.ring, wait_s=0)
        while (record := reader.pop(timeout_s=0)) is not None:
            assert record.seq == len(played.payloads)
            played.payloads.append(record.payload)
        played.groups = [decode_group(payload) for payload in played.payloads]
        reader.close()
        ring.close(ring.state, ring.reason)
    return played


def text_of(rollout):
    return bytes(token for token in rollout.tokens.tolist() if token < 256).decode()


# -- a round with known replies

DOUBLES = "x):\n    y = x * 2\n    return y\nprint(f(21))"
SAME_WITH_OTHER_NAMES = "a):\n    z = a * 2\n    return z\nprint(f(5))"
SQUARES = "x):\n    return x * x + 1\nprint(f(3))"
NO_CALL = "x):\n    return x\n\n"
RAISES = "x):\n    return x / 0\nprint(f(1))"


async def test_known_replies_give_exactly_the_rewards_groups_and_fates_they_should(
    sandbox, tmp_path
):
    def solve(prompt: str) -> Reply:
        if "x * 2" in prompt.rsplit("\n\n", 1)[1]:
            return [" 42\n", " 42\n", " 41\n", " forty-two\n"]  # half right, a quarter malformed
        return [" 10\n"]

    proposals = [DOUBLES, SAME_WITH_OTHER_NAMES, SQUARES, NO_CALL, RAISES, DOUBLES]
    played = await play(sandbox, tmp_path, Kind.DEDUCTION, propose=proposals, solve=solve)
    fates = played.fates()
    # Which of the three equal programs is certified first is open: it has the task.
    assert sorted([fates[0], fates[1], fates[5]]) == ["admitted", "duplicate", "duplicate"]
    assert fates[2:5] == ["admitted", "no_call", "raised"]
    proposer = played.group(Role.PROPOSER)
    by_fate = {r.verdict: r.reward for r in proposer.rollouts}
    assert [r.verdict for r in proposer.rollouts] == fates
    assert {fate: by_fate[fate] for fate in ("duplicate", "no_call", "raised")} == dict.fromkeys(
        ("duplicate", "no_call", "raised"), -1.0
    )
    assert proposer.rollouts[2].reward == -0.5, "everybody solves it"
    components = dict(proposer.rollouts[2].components)
    assert components == {"valid": 1.0, "learnability": 0.0, "solve_rate": 1.0}


async def test_a_half_solved_task_pays_its_proposer_half(sandbox, tmp_path):
    answers = [" 42\n", " 42\n", " 41\n", " forty-two\n"]
    played = await play(sandbox, tmp_path, Kind.DEDUCTION, propose=[DOUBLES], solve=answers)
    assert played.fates() == ["admitted"]
    assert played.rewards(Role.PROPOSER) == [0.5]
    assert played.rewards(Role.SOLVER) == [1.0, 1.0, -0.5, -1.0] * 2
    assert played.proposals[0][1].solve_rate == 0.5
    assert [r.verdict for r in played.group(Role.SOLVER).rollouts][:4] == [
        "right", "right", "wrong", "malformed",
    ]  # fmt: skip


@pytest.mark.parametrize(("right", "reward"), [(0, -0.5), (1, 0.875), (5, 0.375), (8, -0.5)])
async def test_a_proposer_earns_by_the_solve_rate(sandbox, tmp_path, right, reward):
    answers = [" 42\n"] * right + [" 0\n"] * (8 - right)
    played = await play(sandbox, tmp_path, Kind.DEDUCTION, propose=[DOUBLES], solve=answers)
    assert played.rewards(Role.PROPOSER) == [reward]
    assert sorted(played.rewards(Role.SOLVER)) == [-0.5] * (8 - right) + [1.0] * right


async def test_the_ring_holds_what_was_committed_and_the_audit_is_clean(sandbox, tmp_path):
    played = await play(
        sandbox, tmp_path, Kind.DEDUCTION, propose=[DOUBLES, SQUARES], solve=[" 42\n"], rounds=3
    )
    assert played.payloads == played.stored
    assert len(played.groups) == 3 + 2, "a proposer's group a round, a solver's a task"
    assert len({group.group_id for group in played.groups}) == len(played.groups)
    rollouts = [rollout for group in played.groups for rollout in group.rollouts]
    assert len({rollout.rollout_id for rollout in rollouts}) == len(rollouts)
    assert all(rollout.versions == ((VERSION, len(rollout.tokens)),) for rollout in rollouts)
    assert {rollout.finish for rollout in rollouts} == {Finish.STOP}
    # In later rounds the references include the two tasks, whose forms are taken.
    assert played.fates() == ["admitted", "admitted"] + ["duplicate"] * 4
    assert [number for number, _ in played.proposals] == [0, 0, 1, 1, 2, 2]
    assert audit(played.run).problems == ()


async def test_a_groups_prompt_and_tokens_are_what_was_asked_and_answered(sandbox, tmp_path):
    played = await play(
        sandbox, tmp_path, Kind.DEDUCTION, propose=[SQUARES], solve=[" 10\n"], attempts=2
    )
    solver = played.group(Role.SOLVER)
    assert bytes(solver.prompt.tolist()).decode().endswith("return x * x + 1\nassert f(3) ==")
    assert [bytes(r.tokens.tolist()) for r in solver.rollouts] == [b" 10\n"] * 2
    proposer = played.group(Role.PROPOSER)
    assert bytes(proposer.prompt.tolist()).decode().endswith("\n\ndef f(")
    assert solver.task_id == played.proposals[0][1].task_id


async def test_a_cut_proposal_is_no_task(sandbox, tmp_path):
    endless = "x):\n    return x + 1  #" + " more" * 1000
    played = await play(sandbox, tmp_path, Kind.DEDUCTION, propose=[endless], solve=[" 1\n"])
    assert played.fates() == ["cut"]
    assert played.rewards(Role.PROPOSER) == [-1.0]
    assert [group.role for group in played.groups] == [Role.PROPOSER]


async def test_abduction_and_induction_rounds_pay_for_right_answers(sandbox, tmp_path):
    abduction = await play(
        sandbox, tmp_path / "a", Kind.ABDUCTION, propose=[DOUBLES], solve=["21)\n", "20)\n"]
    )
    assert abduction.rewards(Role.SOLVER) == [1.0, -0.5] * 4
    described = " puts it in a list\nf('a')\nf(2)\nf([3])\nf((4,))\n\n"
    induction = await play(
        sandbox,
        tmp_path / "i",
        Kind.INDUCTION,
        propose=[described],
        solve=["x):\n    return [x]\n\n", "x):\n    return 2\n\n", "what?\n\n"],
    )
    assert induction.fates() == ["admitted"]
    rewards = {text_of(r): r.reward for r in induction.group(Role.SOLVER).rollouts}
    assert rewards == {
        "x):\n    return [x]\n\n": 1.0,
        "x):\n    return 2\n\n": -0.5,
        "what?\n\n": -1.0,
    }


# -- attacks: what pays with a judge that evaluates, compares or prints what a model wrote

ALWAYS_EQUAL = (
    "type('E', (), {'__eq__': lambda s, o: True, '__hash__': lambda s: 0, "
    "'__repr__': lambda s: '42'})()"
)
CANARY = Path("/tmp/kelvin-canary-of-the-tests")
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


async def assert_only_the_honest_answer_pays(sandbox, directory, kind, proposal, answers, honest):
    replies = [*answers, honest]
    played = await play(
        sandbox, directory, kind, propose=[proposal], solve=replies, attempts=len(replies)
    )
    assert played.fates() == ["admitted"]
    rewards = {text_of(rollout): rollout.reward for rollout in played.group(Role.SOLVER).rollouts}
    assert rewards.keys() == set(replies), "an answer was cut or lost"
    assert [text for text, reward in rewards.items() if reward > 0] == [honest]
    assert rewards[honest] == 1.0


@pytest.mark.parametrize("name", DEDUCTION_ATTACKS)
async def test_an_attack_as_a_deduction_answer_earns_nothing(sandbox, tmp_path, untouched, name):
    answers = [f" {answer}\n" for answer in DEDUCTION_ATTACKS[name]]
    await assert_only_the_honest_answer_pays(
        sandbox, tmp_path, Kind.DEDUCTION, DOUBLES, answers, " 42\n"
    )


@pytest.mark.parametrize("name", ABDUCTION_ATTACKS)
async def test_an_attack_as_an_abduction_answer_earns_nothing(sandbox, tmp_path, untouched, name):
    answers = [f"{answer}\n" for answer in ABDUCTION_ATTACKS[name]]
    await assert_only_the_honest_answer_pays(
        sandbox, tmp_path, Kind.ABDUCTION, DOUBLES, answers, "21)\n"
    )


@pytest.mark.parametrize("name", INDUCTION_ATTACKS)
async def test_an_attack_as_an_induction_answer_earns_nothing(sandbox, tmp_path, untouched, name):
    described = " puts it in a list\nf('a')\nf(2)\nf([3])\nf((4,))\n\n"
    answers = [f"{answer}\n\n" for answer in INDUCTION_ATTACKS[name]]
    await assert_only_the_honest_answer_pays(
        sandbox, tmp_path, Kind.INDUCTION, described, answers, "x):\n    return [x]\n\n"
    )


async def test_attacks_as_proposals_are_no_tasks_and_an_honest_one_beside_them_is(
    sandbox, tmp_path, untouched
):
    attacks = list(PROPOSER_ATTACKS.values())
    played = await play(
        sandbox, tmp_path, Kind.DEDUCTION, propose=[*attacks, DOUBLES], solve=[" 42\n", " 1\n"]
    )
    fates = dict(zip([*PROPOSER_ATTACKS, "honest"], played.fates(), strict=True))
    assert [name for name, fate in fates.items() if fate == "admitted"] == ["honest"]
    assert LOST not in fates.values()
    assert played.rewards(Role.PROPOSER) == [-1.0] * len(attacks) + [0.5]


async def test_a_description_that_holds_the_program_is_no_task(sandbox, tmp_path):
    told = [
        " return [x]\nf(1)\nf(2)\nf(3)\nf(4)\n\n",
        " def f(x): gives x\nf(1)\nf(2)\nf(3)\nf(4)\n\n",
        " lambda x: x\nf(1)\nf(2)\nf(3)\nf(4)\n\n",
    ]
    played = await play(sandbox, tmp_path, Kind.INDUCTION, propose=told, solve=["x"])
    assert played.fates() == ["leak"] * 3
    assert played.rewards(Role.PROPOSER) == [-1.0] * 3


# -- verdicts that are lost


async def test_a_lost_answer_leaves_its_group_and_the_solve_rate(sandbox, tmp_path, monkeypatch):
    judge = judge_module.judge

    async def sometimes(box, task, answer):
        return Judgement.LOST if answer == "41" else await judge(box, task, answer)

    monkeypatch.setattr(solve_module, "judge", sometimes)
    played = await play(
        sandbox,
        tmp_path,
        Kind.DEDUCTION,
        propose=[DOUBLES],
        solve=[" 41\n", " 42\n", " 41\n", " 40\n"],
    )
    assert played.rewards(Role.SOLVER) == [1.0, -0.5] * 2
    assert played.rewards(Role.PROPOSER) == [0.5]
    assert "lost" not in [r.verdict for g in played.groups for r in g.rollouts]


async def test_a_task_of_which_every_answer_is_lost_is_no_task_and_can_be_proposed_again(
    sandbox, tmp_path, monkeypatch
):
    judge = judge_module.judge
    num_judged = 0

    async def lost_at_first(box, task, answer):
        nonlocal num_judged
        num_judged += 1
        return Judgement.LOST if num_judged == 1 else await judge(box, task, answer)

    monkeypatch.setattr(solve_module, "judge", lost_at_first)
    played = await play(
        sandbox, tmp_path, Kind.DEDUCTION, propose=[DOUBLES], solve=[" 42\n"], rounds=2
    )
    assert played.fates() == ["admitted"]
    assert played.rewards(Role.SOLVER) == [1.0] * 8
    assert [group.role for group in played.groups] == [Role.PROPOSER, Role.SOLVER]
    assert audit(played.run).problems == ()


async def test_a_lost_proposal_is_in_no_group_no_row_and_no_mean(sandbox, tmp_path, monkeypatch):
    admit = propose_module.admit

    async def sometimes(box, kind, proposal, **rest):
        if "x * x" in proposal.program:
            return Rejected(fate=LOST)
        return await admit(box, kind, proposal, **rest)

    monkeypatch.setattr(propose_module, "admit", sometimes)
    played = await play(
        sandbox,
        tmp_path,
        Kind.DEDUCTION,
        propose=[SQUARES, DOUBLES, SQUARES],
        solve=[" 42\n", " 1\n"],
    )
    assert played.fates() == ["admitted"]
    assert played.rewards(Role.PROPOSER) == [0.5]
    row = round_row(played.reports[0])
    assert (row["proposer/rollouts"], row["proposer/reward_mean"]) == (1, 0.5)
    assert row["fates"] == {"admitted": 1, "lost": 2}
    board = Board(run="r")
    board.add_round(played.reports[0])
    assert board.mean_reward(Role.PROPOSER, Kind.DEDUCTION) == 0.5
    assert board.valid_share(Kind.DEDUCTION) == 1.0


async def test_a_sandbox_that_loses_every_call_makes_no_reward_at_all(
    sandbox, tmp_path, monkeypatch
):
    async def lost(*_args, **_more):
        return Rejected(fate=LOST)

    monkeypatch.setattr(propose_module, "admit", lost)
    played = await play(sandbox, tmp_path, Kind.DEDUCTION, propose=[DOUBLES], solve=[" 42\n"])
    assert (played.groups, played.proposals) == ([], [])
    assert audit(played.run).problems == ()
