"""Whole rounds with known replies: rewards, fates, groups, and what the ring then holds."""

import pytest

from engine.observe.audit import audit
from engine.observe.board import Board, round_row
from engine.play import judge as judge_module
from engine.play import propose as propose_module
from engine.play import solve as solve_module
from engine.play.judge import LOST, Rejected
from engine.play.reward import Judgement
from engine.prompts.forms import Form
from engine.wire.messages import Finish, Kind, Role

DOUBLES = "x):\n    y = x * 2\n    return y\nprint(f(21))"
SAME_WITH_OTHER_NAMES = "a):\n    z = a * 2\n    return z\nprint(f(5))"
SQUARES = "x):\n    return x * x + 1\nprint(f(3))"
NO_CALL = "x):\n    return x\n\n"
RAISES = "x):\n    return x / 0\nprint(f(1))"


async def test_known_replies_give_exactly_the_rewards_groups_and_fates_they_should(play):
    def solve(prompt):
        if "x * 2" in prompt.rsplit("\n\n", 1)[1]:
            return [" 42\n", " 42\n", " 41\n", " forty-two\n"]  # half right, a quarter malformed
        return [" 10\n"]

    proposals = [DOUBLES, SAME_WITH_OTHER_NAMES, SQUARES, NO_CALL, RAISES, DOUBLES]
    played = await play(Kind.DEDUCTION, propose=proposals, solve=solve)
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


async def test_a_half_solved_task_pays_its_proposer_half(play):
    answers = [" 42\n", " 42\n", " 41\n", " forty-two\n"]
    played = await play(Kind.DEDUCTION, propose=[DOUBLES], solve=answers)
    assert played.fates() == ["admitted"]
    assert played.rewards(Role.PROPOSER) == [0.5]
    assert played.rewards(Role.SOLVER) == [1.0, 1.0, -0.5, -1.0] * 2
    assert played.proposals[0][1].solve_rate == 0.5
    assert [r.verdict for r in played.group(Role.SOLVER).rollouts][:4] == [
        "right", "right", "wrong", "malformed",
    ]  # fmt: skip


@pytest.mark.parametrize(("right", "reward"), [(0, -0.5), (1, 0.875), (5, 0.375), (8, -0.5)])
async def test_a_proposer_earns_by_the_solve_rate(play, right, reward):
    answers = [" 42\n"] * right + [" 0\n"] * (8 - right)
    played = await play(Kind.DEDUCTION, propose=[DOUBLES], solve=answers)
    assert played.rewards(Role.PROPOSER) == [reward]
    assert sorted(played.rewards(Role.SOLVER)) == [-0.5] * (8 - right) + [1.0] * right


async def test_the_ring_holds_what_was_committed_and_the_audit_is_clean(play):
    played = await play(Kind.DEDUCTION, propose=[DOUBLES, SQUARES], solve=[" 42\n"], rounds=3)
    assert played.payloads == played.stored
    assert len(played.groups) == 3 + 2, "a proposer's group a round, a solver's a task"
    assert len({group.group_id for group in played.groups}) == len(played.groups)
    rollouts = [rollout for group in played.groups for rollout in group.rollouts]
    assert len({rollout.rollout_id for rollout in rollouts}) == len(rollouts)
    assert all(rollout.versions == ((5, len(rollout.tokens)),) for rollout in rollouts)
    assert {rollout.finish for rollout in rollouts} == {Finish.STOP}
    # In later rounds the references include the two tasks, whose forms are taken.
    assert played.fates() == ["admitted", "admitted"] + ["duplicate"] * 4
    assert [number for number, _ in played.proposals] == [0, 0, 1, 1, 2, 2]
    assert audit(played.run).problems == ()


async def test_a_groups_prompt_and_tokens_are_what_was_asked_and_answered(play):
    played = await play(Kind.DEDUCTION, propose=[SQUARES], solve=[" 10\n"], attempts=2)
    solver = played.group(Role.SOLVER)
    assert bytes(solver.prompt.tolist()).decode().endswith("return x * x + 1\nassert f(3) ==")
    assert [bytes(r.tokens.tolist()) for r in solver.rollouts] == [b" 10\n"] * 2
    proposer = played.group(Role.PROPOSER)
    assert bytes(proposer.prompt.tolist()).decode().endswith("\n\ndef f(")
    assert solver.task_id == played.proposals[0][1].task_id


async def test_a_cut_proposal_is_no_task(play):
    endless = "x):\n    return x + 1  #" + " more" * 1000
    played = await play(Kind.DEDUCTION, propose=[endless], solve=[" 1\n"])
    assert played.fates() == ["cut"]
    assert played.rewards(Role.PROPOSER) == [-1.0]
    assert [group.role for group in played.groups] == [Role.PROPOSER]


async def test_an_abduction_round_pays_for_right_answers(play):
    abduction = await play(Kind.ABDUCTION, propose=[DOUBLES], solve=["21)\n", "20)\n"])
    assert abduction.rewards(Role.SOLVER) == [1.0, -0.5] * 4


@pytest.mark.parametrize("form", Form)
async def test_a_round_of_error_deduction_pays_for_the_right_name(play, form):
    program = "def f(x):\n    return {1: 2}[x]"
    in_words = f"<answer>```python\n{program}\n```\n```input\n3\n```</answer>"
    proposal = program.removeprefix("def f(") + "\nprint(f(3))"
    answers = [" KeyError\n", " NoError\n"]
    said = [f"<answer>```output\n{answer.strip()}\n```</answer>" for answer in answers]
    think = "</think>" if form is Form.TAGS else "<think>so</think>"
    if form is not Form.BLOCKS:
        proposal, answers = think + in_words, [think + each for each in said]
    played = await play(Kind.ERROR, propose=[proposal], solve=answers, form=form)
    assert played.fates() == ["admitted"]
    assert played.rewards(Role.SOLVER) == [1.0, -0.5] * 4
    assert played.rewards(Role.PROPOSER) == [0.5]


async def test_an_induction_round_pays_for_right_answers(play):
    described = " puts it in a list\nf('a')\nf(2)\nf([3])\nf((4,))\n\n"
    induction = await play(
        Kind.INDUCTION,
        propose=[described],
        solve=["x):\n    return [x]\n\n", "x):\n    return 2\n\n", "what?\n\n"],
    )
    assert induction.fates() == ["admitted"]
    rewards = induction.rewards_by_text(Role.SOLVER)
    assert rewards == {
        "x):\n    return [x]\n\n": 1.0,
        "x):\n    return 2\n\n": -0.5,
        "what?\n\n": -1.0,
    }


# -- verdicts that are lost


async def test_t15_a_lost_answer_leaves_its_group_and_the_solve_rate(play, monkeypatch):
    judge = judge_module.judge

    async def sometimes(box, task, answer, ruling):
        return Judgement.LOST if answer == "41" else await judge(box, task, answer, ruling)

    monkeypatch.setattr(solve_module, "judge", sometimes)
    played = await play(
        Kind.DEDUCTION,
        propose=[DOUBLES],
        solve=[" 41\n", " 42\n", " 41\n", " 40\n"],
    )
    assert played.rewards(Role.SOLVER) == [1.0, -0.5] * 2
    assert played.rewards(Role.PROPOSER) == [0.5]
    assert "lost" not in [r.verdict for g in played.groups for r in g.rollouts]


async def test_a_task_of_which_every_answer_is_lost_is_no_task_and_can_be_proposed_again(
    play, monkeypatch
):
    judge = judge_module.judge
    num_judged = 0

    async def lost_at_first(box, task, answer, ruling):
        nonlocal num_judged
        num_judged += 1
        return Judgement.LOST if num_judged == 1 else await judge(box, task, answer, ruling)

    monkeypatch.setattr(solve_module, "judge", lost_at_first)
    played = await play(Kind.DEDUCTION, propose=[DOUBLES], solve=[" 42\n"], rounds=2)
    assert played.fates() == ["admitted"]
    assert played.rewards(Role.SOLVER) == [1.0] * 8
    assert [group.role for group in played.groups] == [Role.PROPOSER, Role.SOLVER]
    assert audit(played.run).problems == ()


async def test_a_lost_proposal_is_in_no_group_no_row_and_no_mean(play, monkeypatch):
    admit = propose_module.admit

    async def sometimes(box, kind, proposal, **rest):
        if "x * x" in proposal.program:
            return Rejected(fate=LOST)
        return await admit(box, kind, proposal, **rest)

    monkeypatch.setattr(propose_module, "admit", sometimes)
    played = await play(
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


async def test_a_sandbox_that_loses_every_call_makes_no_reward_at_all(play, monkeypatch):
    async def lost(*_args, **_more):
        return Rejected(fate=LOST)

    monkeypatch.setattr(propose_module, "admit", lost)
    played = await play(Kind.DEDUCTION, propose=[DOUBLES], solve=[" 42\n"])
    assert (played.groups, played.proposals) == ([], [])
    assert audit(played.run).problems == ()


async def test_t01_an_ill_formed_proposal_of_a_valid_program_is_punished_and_not_remembered(play):
    valid = "```python\ndef f(x):\n    y = x * 2\n    return y\n```\n```input\n21\n```\n"
    proposals = [
        f" Doubling. </think> and then <answer>{valid}</answer>",  # something stands in between
        f" Doubling. </think> <answer>{valid}</answer>",
    ]
    answers = [" So. </think><answer>```output\n42\n```</answer>"]
    played = await play(
        Kind.DEDUCTION, propose=proposals, solve=answers, form=Form.TAGS, invalid_reward=0.0
    )
    assert played.fates() == ["unformatted", "admitted"], "what was punished is no repetition"
    assert played.rewards(Role.PROPOSER) == [-1.0, -0.5], "and not as little as no valid task"
