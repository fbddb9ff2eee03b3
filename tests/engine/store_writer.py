"""Commits rounds to a task file until it is killed; says a line once it has begun.

A round is one admitted task, two proposals, a proposer's group and a solver's group.
"""

import itertools
import secrets
import sys
from pathlib import Path

from engine.tasks.flight import ProposalRow
from engine.tasks.rows import OutboxRow, Solved
from engine.tasks.store import TaskStore
from engine.tasks.task import Example, Task
from engine.wire.messages import Kind, Role


def main(path: Path) -> None:
    with TaskStore(path) as store:
        for number in itertools.count(store.next_round()):
            commit(store, number)
            if number % 50 == 0:
                sys.stdout.write(f"{number}\n")
                sys.stdout.flush()


def commit(store: TaskStore, number: int) -> None:
    task = Task(
        kind=Kind.DEDUCTION,
        program=f"def f(x):\n    return x + {number}",
        examples=(Example(args="1", gold=b"I", shown="2"),),
        normal_form=str(number),
    )
    store.commit_round(
        number,
        tasks=[task],
        proposals=[proposal("admitted", task.id), proposal("syntax", None)],
        groups=[group(Role.PROPOSER, "seed"), group(Role.SOLVER, task.id)],
        solved=[Solved(task_id=task.id, attempts=4, solved=1)],
    )


def proposal(fate: str, task_id: str | None) -> ProposalRow:
    return ProposalRow(
        kind=Kind.DEDUCTION, version=0, fate=fate, detail="", text="x" * 300, reward=-1.0,
        task_id=task_id,
    )  # fmt: skip


def group(role: Role, task_id: str) -> OutboxRow:
    return OutboxRow(
        group_id=secrets.token_bytes(16), role=role, kind=Kind.DEDUCTION, task_id=task_id,
        num_rollouts=4, payload=secrets.token_bytes(2000),
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
