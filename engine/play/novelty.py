"""Is a certified proposal a new task? Compared with the whole archive, not only with its batch.

What two tasks have in common is a set of *marks*; a proposal that shares one with a stored task, or
with a proposal of an earlier place, repeats it. How much counts as the same is the gate: the normal
form (names apart), the shape (constants apart), the behaviour on probe inputs. A self-play run with
forms alone was seen to end in one template whose constants differ: distinct by every tree, and one
idea.
"""

from dataclasses import replace

from engine.choices import NoveltyGate
from engine.config import EngineConfig
from engine.play.behaviour import behaviour_of
from engine.play.claims import Mark
from engine.tasks.store import TaskStore
from engine.tasks.task import Task
from engine.wire.messages import Kind
from sandbox import Sandbox

_UNPROBED = (Kind.INDUCTION, Kind.ERROR)
"""Kinds in which what a program does with probes is not the point."""


async def fingerprinted(sandbox: Sandbox, config: EngineConfig, task: Task) -> Task:
    """The task with its behaviour, if the gate asks for it."""
    if config.novelty is not NoveltyGate.BEHAVIOUR or task.kind in _UNPROBED:
        return task
    behaviour = await behaviour_of(sandbox, task.program, task.examples[0].args)
    return replace(task, behaviour=behaviour)


def marks_of(task: Task, gate: NoveltyGate) -> list[Mark]:
    """What a task has in common with its repetitions, the weakest sameness last.

    Tasks of different kinds are never one. An induction task is its program, message and inputs.
    """
    marks: list[Mark] = [(task.kind, "task", task.id)]
    if task.kind is Kind.INDUCTION or gate is NoveltyGate.NONE:
        return marks
    marks.append((task.kind, "form", task.normal_form))
    if gate is NoveltyGate.FORM:
        return marks
    marks.append((task.kind, "shape", task.shape))
    if gate is NoveltyGate.BEHAVIOUR and task.behaviour:
        marks.append((task.kind, "behaviour", task.behaviour))
    return marks


def is_stored(store: TaskStore, task: Task, gate: NoveltyGate) -> bool:
    """Whether the archive has a task with one of these marks."""
    for _, sameness, value in marks_of(task, gate):
        if sameness == "task":
            known = store.task(value) is not None
        elif sameness == "behaviour":
            known = store.is_known_behaviour(task.kind, value)
        else:
            known = store.is_known(task.kind, value, by_shape=sameness == "shape")
        if known:
            return True
    return False


def family_of(task: Task, gate: NoveltyGate) -> str:
    """The widest sameness that the gate knows, without a behaviour: for counting distinct ideas."""
    by_shape = gate in (NoveltyGate.SHAPE, NoveltyGate.BEHAVIOUR)
    return task.shape if by_shape else task.normal_form
