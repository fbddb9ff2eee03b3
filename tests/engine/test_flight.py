"""The flight recorder: all of a round is kept, can be told, and comes out the same again."""

import io
import sqlite3

import pytest
from rich.console import Console

from engine.cli import app
from engine.config import EngineConfig
from engine.observe.listing import task_page, task_table
from engine.observe.story import story
from engine.play.replay import Outcome, replay_round
from engine.tasks.store import TaskStore
from engine.wire.messages import Kind, Role

DOUBLES = "x):\n    y = x * 2\n    return y\nprint(f(21))"
SQUARES = "x):\n    return x * x + 1\nprint(f(3))"
PROPOSALS = [DOUBLES, "x):\n    return x\n\n", "x):\n    return x / 0\nprint(f(1))", SQUARES]
ANSWERS = [" 42\n", " 10\n", " forty\n", " 41\n"]
FORMS = {
    Kind.DEDUCTION: (PROPOSALS, ANSWERS),
    Kind.ABDUCTION: (PROPOSALS, ["21)\n", "3)\n", "x)\n", "-3)\n"]),
    Kind.INDUCTION: (
        [" wraps\nf(1)\nf(2)\nf(3)\nf(4)\n\n", " one\nf(1)\n\n"],
        ["x):\n    return [x]\n\n", "x):\n    return x\n\n", "x):\n    retur\n\n"],
    ),
}


@pytest.fixture(params=FORMS, ids=str)
async def played(request, play):
    proposals, answers = FORMS[request.param]
    return await play(request.param, propose=proposals, solve=answers, attempts=4)


def config_of(kind):
    return EngineConfig(
        deduction=int(kind is Kind.DEDUCTION), abduction=int(kind is Kind.ABDUCTION),
        induction=int(kind is Kind.INDUCTION), solver_rollouts=4,
    )  # fmt: skip


async def replayed(played, sandbox):
    kind = played.reports[0].kind
    with TaskStore(played.run.tasks_db, read_only=True) as store:
        return [each async for each in replay_round(sandbox, store, config_of(kind), 0)]


def change(played, statement):
    with sqlite3.connect(played.run.tasks_db) as db:
        assert db.execute(statement).rowcount >= 1
    db.close()


def test_every_proposal_and_attempt_of_a_round_is_kept_as_the_trainer_gets_it(played):
    with TaskStore(played.run.tasks_db, read_only=True) as store:
        proposals, attempts = store.proposals_of(0), store.attempts_of(0)
        prompts = {row.written.prompt_id: store.prompt(row.written.prompt_id) for row in attempts}
    group = played.group(Role.PROPOSER)
    assert [(row.fate, row.reward) for row in proposals] == [
        (rollout.verdict, rollout.reward) for rollout in group.rollouts
    ]
    assert [row.written.num_tokens for row in proposals] == [len(r.tokens) for r in group.rollouts]
    assert [tuple(row.written.versions) for row in proposals] == [
        rollout.versions for rollout in group.rollouts
    ]
    solved = [group for group in played.groups if group.role is Role.SOLVER]
    assert [(row.task_id, row.verdict, row.reward) for row in attempts] == [
        (group.task_id, rollout.verdict, rollout.reward)
        for group in solved
        for rollout in group.rollouts
    ]
    assert [dict(row.written.components) for row in attempts] == [
        dict(rollout.components) for group in solved for rollout in group.rollouts
    ]
    assert all(row.is_trained and row.is_measure for row in attempts)
    assert all(prompt.text for prompt in prompts.values())


async def test_a_round_judged_again_agrees_in_everything(played, sandbox):
    found = await replayed(played, sandbox)
    assert {each.outcome for each in found} == {Outcome.AGREED}
    whats = [each.what for each in found]
    assert whats.count("proposal") == len(played.fates())
    assert whats.count("attempt") == 4 * played.fates().count("admitted")
    assert whats.count("reward") == played.fates().count("admitted")


TAMPERED = {
    "a verdict": "UPDATE attempts SET verdict = 'right' WHERE id ="
    " (SELECT id FROM attempts WHERE verdict = 'wrong' LIMIT 1)",
    "an attempt's reward": "UPDATE attempts SET reward = 0.25 WHERE id = 1",
    "a proposal's fate": "UPDATE proposals SET fate = 'admitted' WHERE fate NOT IN ('admitted')",
    "a proposal's reward": "UPDATE proposals SET reward = 0.99 WHERE fate = 'admitted'",
    "an answer": "UPDATE attempts SET text = 'something else' WHERE verdict = 'right'",
}


@pytest.mark.parametrize("name", TAMPERED)
async def test_what_was_changed_since_differs(played, sandbox, name):
    change(played, TAMPERED[name])
    assert Outcome.DIFFERED in {each.outcome for each in await replayed(played, sandbox)}


async def test_the_command_says_what_differs_and_fails(play, capsys):
    played = await play(Kind.DEDUCTION, propose=PROPOSALS, solve=ANSWERS, attempts=4)
    config = {"engine": {"solver_rollouts": 4}, "sandbox": {"workers": 1, "wall_s": 20.0}}
    played.run.write_run(config)
    code = await in_thread(["replay", "--run", str(played.run.path)])
    assert code == 0
    change(played, TAMPERED["a verdict"])
    code = await in_thread(["replay", "--run", str(played.run.path)])
    assert code == 1
    assert "recorded right -0.5, found wrong -0.5" in capsys.readouterr().out


async def in_thread(command):
    """A command has an event loop of its own."""
    import asyncio

    return await asyncio.to_thread(app, command, result_action="return_value")


async def test_a_time_that_ran_out_is_no_disagreement(play, sandbox):
    played = await play(Kind.DEDUCTION, propose=PROPOSALS, solve=ANSWERS, attempts=4)
    change(played, "UPDATE proposals SET fate = 'timeout' WHERE fate = 'raised'")
    found = await replayed(played, sandbox)
    assert [each.outcome for each in found].count(Outcome.UNDECIDED) == 1
    assert Outcome.DIFFERED not in {each.outcome for each in found}


async def test_without_the_recorder_prompts_and_attempts_are_not_kept(play, sandbox):
    played = await play(Kind.DEDUCTION, propose=PROPOSALS, solve=ANSWERS, attempts=4, record=False)
    found = await replayed(played, sandbox)
    assert {each.outcome for each in found} == {Outcome.UNRECORDED}
    assert len(found) == len(PROPOSALS)


async def test_a_terminal_does_not_obey_what_a_model_wrote(play):
    answers = [" \x1b[2J\x1b]0;owned\x07\n"]
    program = "x):\n    y = '\x1b[31m'  # red\n    return [x, y]\nprint(f(1))"
    played = await play(Kind.DEDUCTION, propose=[program], solve=answers, attempts=2)
    task = played.reports[0].admitted[0].task
    run = played.run
    for page in (story(run, task.id), task_page(run, task.id), task_table(run, limit=9)):
        console = Console(width=300, force_terminal=False, file=io.StringIO())
        console.print(page)
        assert "\x1b" not in console.file.getvalue()
        assert "\\x1b[31m" in console.file.getvalue()


async def test_a_story_has_all_of_a_task(play):
    played = await play(
        Kind.DEDUCTION, propose=[DOUBLES, SQUARES], solve=ANSWERS, attempts=4, rounds=2
    )
    task = played.reports[0].admitted[0].task
    console = Console(width=160, file=io.StringIO())
    console.print(story(played.run, task.id[:8]))
    page = console.file.getvalue()
    for words in (
        task.id, "y = x * 2", "each with one call whose result takes some thought", "certificate",
        "proposed in round 0", "attempted 4 times, solved 1 times", "forty", "malformed", "measure",
        task.parents[0], "shown later",
    ):  # fmt: skip
        assert words in page, words
