"""What the engine's tests share: a real sandbox, and a way to make tasks without one."""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from engine.tasks.task import Example, Origin, Task
from engine.wire.messages import Kind
from sandbox import Limits, Sandbox
from sandbox.guest import canon


@pytest_asyncio.fixture(scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(workers=2, limits=Limits(wall_s=2.0, cpu_s=1.0)) as pool:
        yield pool


@pytest.fixture(scope="session")
def make_task() -> Callable[..., Task]:
    """A task from a kind, a program and (arguments, value) pairs, uncertified."""

    def make(
        kind: Kind,
        program: str,
        *examples: tuple[str, object],
        message: str = "",
        origin: Origin = Origin.PROPOSAL,
        form: str = "",
    ) -> Task:
        return Task(
            kind=kind,
            program=program,
            examples=tuple(
                Example(args=args, gold=canon.encode(value, max_bytes=4096), shown=ascii(value))
                for args, value in examples
            ),
            message=message,
            origin=origin,
            normal_form=form or program,
            shape=form or program,
        )

    return make
