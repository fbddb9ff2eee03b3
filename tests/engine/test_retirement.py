"""A task whose program does not give its gold again is retired, and nobody is paid for it."""

import io
import random
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from rich.console import Console

from engine.observe.audit import audit
from engine.observe.listing import task_table
from engine.play import propose as propose_module
from engine.play import round as round_module
from engine.play.judge import Gates, admit, judge
from engine.play.reward import Judgement, solver_reward
from engine.prompts import Proposal
from engine.tasks.rows import SCHEMA, Retirement
from engine.tasks.store import TaskStore
from engine.tasks.task import Origin, Task
from engine.wire.messages import Kind, Role
from sandbox import Call, Mismatch, Outcome, Sandbox, Verdict
from sandbox.guest import canon

DOUBLES = "x):\n    return x * 2\nprint(f(21))"
TRIPLES = "x):\n    return x * 3\nprint(f(7))"
GATES = Gates(reject_trivial=True, max_value_chars=200, max_program_chars=2000)


def with_gold(task: Task, value: object) -> Task:
    """The task with another gold than its program gives."""
    gold = canon.encode(value, max_bytes=4096)
    return replace(task, examples=(replace(task.examples[0], gold=gold), *task.examples[1:]))


async def admitted(sandbox, program, *args, kind=Kind.ABDUCTION) -> Task:
    proposal = Proposal(program=program, args=args, message="")
    task = await admit(sandbox, kind, proposal, gates=GATES)
    assert isinstance(task, Task), task
    return task


# -- the store


def test_a_retired_task_is_known_but_never_drawn(tmp_path, make_task):
    tasks = [make_task(Kind.DEDUCTION, f"program {n}", ("1", n)) for n in range(3)]
    seed = make_task(Kind.DEDUCTION, "seed", ("1", 1), origin=Origin.SEED)
    with TaskStore(tmp_path / "tasks.db") as store:
        store.add_seeds([seed])
        store.commit_round(0, tasks=tasks, proposals=[], groups=[], solved=[])
        store.retire(Retirement(task=tasks[1], reason="audit: another value", at_ns=5))
        store.retire(Retirement(task=tasks[1], reason="a second reason", at_ns=6))
        assert store.num_tasks() == store.num_tasks(Kind.DEDUCTION) == 3
        assert store.num_tasks(origin=Origin.PROPOSAL) == 2
        assert {task.id for task in store.draw(random.Random(1), [Kind.DEDUCTION], n=9)} == {
            task.id for task in (seed, tasks[0], tasks[2])
        }
        assert list(store.tasks()) == [seed, tasks[0], tasks[2]]
        assert store.task(tasks[1].id) == tasks[1]
        assert store.is_known(Kind.DEDUCTION, tasks[1].normal_form)
    with TaskStore(tmp_path / "tasks.db", read_only=True) as store:
        (kept,) = store.retired()
        assert (kept.task, kept.reason, kept.at_ns) == (tasks[1], "audit: another value", 5)


def test_a_round_commits_retired_tasks_with_the_rest_or_not_at_all(tmp_path, make_task):
    task = make_task(Kind.DEDUCTION, "program", ("1", 1))
    with TaskStore(tmp_path / "tasks.db") as store:

        def broken():
            yield Retirement(task=task, reason="r")
            raise RuntimeError("in the middle")

        with pytest.raises(RuntimeError, match="middle"):
            store.commit_round(0, tasks=[], proposals=[], groups=[], solved=[], retired=broken())
        assert store.retired() == []
        retired = [Retirement(task=task, reason="r")]
        store.commit_round(0, tasks=[], proposals=[], groups=[], solved=[], retired=retired)
        assert [each.task for each in store.retired()] == [task]
        assert store.num_tasks() == 0


def test_a_task_file_from_before_retirements_is_refused(tmp_path):
    path = tmp_path / "tasks.db"
    with TaskStore(path) as store:
        store.set_fact("schema", "1")
    for read_only in (True, False):
        with pytest.raises(Exception, match=f"task schema 1, this kelvin reads {SCHEMA}"):
            TaskStore(path, read_only=read_only)


# -- the judge


async def test_an_abduction_answer_is_judged_beside_the_tasks_own_arguments(sandbox, monkeypatch):
    task = await admitted(sandbox, "def f(x, k):\n    return x * k", "2, 6")
    sent: list[Call] = []
    run = Sandbox.run

    async def spy(self, call, **more):
        sent.append(call)
        return await run(self, call, **more)

    monkeypatch.setattr(Sandbox, "run", spy)
    assert await judge(sandbox, task, "3, 5") is Judgement.WRONG
    assert [call.args for call in sent] == [["3, 5", "2, 6"]], "one guest, the answer first"
    assert await judge(sandbox, task, "3, 4") is Judgement.RIGHT
    assert len(sent) == 3, "right is asked twice"


@pytest.mark.parametrize("answer", ["21", "5", "20.5"])
async def test_a_task_with_another_gold_than_its_program_gives_is_void(sandbox, answer):
    task = with_gold(await admitted(sandbox, "def f(x):\n    return x * 2", "21"), 10)
    assert await judge(sandbox, task, answer) is Judgement.VOID


@pytest.mark.parametrize(
    ("answer", "judgement"),
    [
        ("'a'", Judgement.WRONG),  # raises
        ("[0] * 3", Judgement.MALFORMED),
        ("0", Judgement.WRONG),
        ("10 ** 9", Judgement.MALFORMED),
        ("3000000000", Judgement.WRONG),  # more memory than there is
        ("-1", Judgement.WRONG),  # too deep, raises
        ("-2", Judgement.WRONG),  # for ever
        ("-3", Judgement.WRONG),  # a value that is too big
        ("-4", Judgement.WRONG),  # no plain value
        ("-5", Judgement.WRONG),  # SystemExit
    ],
)
async def test_no_answer_makes_an_honest_task_void(sandbox, answer, judgement):
    program = (
        "def f(x):\n"
        "    if x == -1:\n        return f(x)\n"
        "    while x == -2:\n        pass\n"
        "    if x == -3:\n        return 'a' * 10 ** 6\n"
        "    if x == -4:\n        return f\n"
        "    if x == -5:\n        raise SystemExit(0)\n"
        "    return len([0] * x) + 1"
    )
    task = await admitted(sandbox, program, "21")
    assert await judge(sandbox, task, answer) is judgement
    assert await judge(sandbox, task, "21") is Judgement.RIGHT


async def test_a_program_that_an_answer_can_spoil_is_no_function(sandbox):
    program = "seen = []\ndef f(x):\n if x == 13:\n  seen.append(x)\n return x * 2 + len(seen)"
    task = await admitted(sandbox, program, "7")
    assert await judge(sandbox, task, "6") is Judgement.WRONG
    assert await judge(sandbox, task, "13") is Judgement.VOID


async def test_an_answer_is_judged_alone_when_the_guest_ends_before_the_gold(sandbox, monkeypatch):
    task = await admitted(sandbox, "def f(x):\n    return x * 2", "21")
    run = Sandbox.run

    async def short_of_memory(self, call, **more):
        if len(call.args) == 2:
            return Outcome(verdict=Verdict.MEMORY, failed=1, seed=1)
        return await run(self, call, **more)

    monkeypatch.setattr(Sandbox, "run", short_of_memory)
    assert await judge(sandbox, task, "20") is Judgement.WRONG
    assert await judge(sandbox, task, "21") is Judgement.RIGHT


def test_a_void_verdict_has_no_reward():
    with pytest.raises(ValueError, match="void"):
        solver_reward(Judgement.VOID)


# -- whole rounds


@pytest.fixture
def lying(monkeypatch):
    """Proposals that double are admitted with the gold of another program."""
    honest = admit

    async def admit_with_a_lie(box, kind, proposal, **rest):
        task = await honest(box, kind, proposal, **rest)
        return with_gold(task, 40) if "x * 2" in proposal.program else task

    monkeypatch.setattr(propose_module, "admit", admit_with_a_lie)


async def test_a_lying_task_is_retired_in_the_round_that_attempts_it(play, lying):
    played = await play(Kind.ABDUCTION, propose=[DOUBLES, TRIPLES], solve=["20)\n", "7)\n"])
    assert [each.fate for each in played.reports[0].judged] == ["retired", "admitted"]
    assert played.fates() == ["admitted"], "no row, like a lost one"
    assert [group.role for group in played.groups] == [Role.PROPOSER, Role.SOLVER]
    proposer, solver = played.groups
    assert len(proposer.rollouts) == 1
    assert solver.task_id == played.proposals[0][1].task_id
    with TaskStore(played.run.tasks_db, read_only=True) as store:
        (retired,) = store.retired()
        assert "x * 2" in retired.task.program
        assert store.num_tasks(origin=Origin.PROPOSAL) == 1
    found = audit(played.run)
    assert found.problems == ()
    assert " 1 retired," in found.summary


async def test_a_retired_task_that_is_proposed_again_is_a_duplicate(play, lying):
    played = await play(Kind.ABDUCTION, propose=[DOUBLES], solve=["20)\n"], rounds=2)
    fates = [each.fate for report in played.reports for each in report.judged]
    assert fates == ["retired", "duplicate"]
    assert played.rewards(Role.PROPOSER) == [-1.0]


async def test_the_audit_of_a_round_finds_a_gold_that_was_altered_in_the_store(
    play, monkeypatch, sandbox
):
    """The stored gold is changed after the first round; later rounds draw, run and retire it."""
    whole = TaskStore.task

    def altered(self, task_id):
        task = whole(self, task_id)
        return with_gold(task, 40) if task and "x * 2" in task.program else task

    monkeypatch.setattr(TaskStore, "task", altered)
    played = await play(Kind.DEDUCTION, propose=[DOUBLES], solve=[" 42\n"], rounds=40)
    with TaskStore(played.run.tasks_db, read_only=True) as store:
        (retired,) = store.retired()
        assert retired.reason == "audit: another value"
        assert "x * 2" in retired.task.program
        assert all("x * 2" not in task.program for task in store.tasks())
    assert audit(played.run).problems == ()


async def test_honest_tasks_are_never_retired(play, monkeypatch):
    findings = []
    whole = round_module.audit

    async def spy(*args, **named):
        findings.append(await whole(*args, **named))
        return findings[-1]

    monkeypatch.setattr(round_module, "audit", spy)
    for kind, solve in ((Kind.ABDUCTION, ["21)\n", "7)\n"]), (Kind.DEDUCTION, [" 42\n"])):
        played = await play(kind, propose=[DOUBLES, TRIPLES], solve=solve, rounds=8)
        with TaskStore(played.run.tasks_db, read_only=True) as store:
            assert store.retired() == []
    assert len(findings) == 16, "one a round"
    assert not any(isinstance(finding, Mismatch) for finding in findings)


async def test_a_lost_audit_retires_nothing(play, monkeypatch):
    run = Sandbox.run

    async def lost(self, call, *, family=None, other_than=()):
        if family is not None:  # only an audit asks for a family
            return Outcome(verdict=Verdict.LOST)
        return await run(self, call, other_than=other_than)

    monkeypatch.setattr(Sandbox, "run", lost)
    played = await play(Kind.DEDUCTION, propose=[DOUBLES], solve=[" 42\n"], rounds=3)
    with TaskStore(played.run.tasks_db, read_only=True) as store:
        assert store.retired() == []
    assert played.fates()[0] == "admitted"


# -- what people see


def test_the_listing_shows_retired_tasks_with_the_reason(tmp_path, make_task, play):
    from engine.wire import RunDir

    run = RunDir(tmp_path / "listed").create()
    tasks = [make_task(Kind.DEDUCTION, f"program {n}", ("1", n)) for n in range(3)]
    with TaskStore(run.tasks_db) as store:
        store.add_seeds(tasks)
        store.retire(Retirement(task=tasks[0], reason="audit: another value", at_ns=10**18))
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(task_table(run, limit=1))
    text = console.export_text()
    assert "program 0" in text
    assert "2001-09-09 01:46: audit: another value" in text
    assert "program 1" not in text
    assert "program 2" in text


def test_the_reason_is_in_the_file(tmp_path, make_task):
    task = make_task(Kind.DEDUCTION, "program", ("1", 1))
    with TaskStore(tmp_path / "tasks.db") as store:
        store.add_seeds([task])
        store.retire(Retirement(task=task, reason="audit: another value"))
    with closing(sqlite3.connect(tmp_path / "tasks.db")) as db:
        assert db.execute("SELECT retired FROM tasks").fetchall() == [("audit: another value",)]
