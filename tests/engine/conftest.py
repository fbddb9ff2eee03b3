"""What the engine's tests share: a real sandbox, tasks made without one, rounds with known replies.

In a round sandbox, store and ring are real; only the model recites.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from engine.config import EngineConfig
from engine.evaluate.held_out import certified_tasks
from engine.play.loop import Player, RoundReport
from engine.play.outbox import Outbox
from engine.policy.pretrained import TINY_WEIGHTS
from engine.policy.scripted import END_TOKEN, ScriptedPolicy
from engine.policy.sglang.launch import Launch
from engine.tasks.flight import ProposalRow
from engine.tasks.seeds import SeedProgram
from engine.tasks.store import TaskStore
from engine.tasks.task import Example, Origin, Task
from engine.wire import Group, RingReader, RingWriter, RunDir, decode_group
from engine.wire.messages import Kind, Producer, Role
from sandbox import Limits, Sandbox
from sandbox.guest import canon


@pytest_asyncio.fixture(scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(workers=2, limits=Limits(wall_s=20.0, cpu_s=1.0)) as pool:
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


# -- rounds

Reply = list[str]
VERSION = 5
"""Of the policy that recites."""
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
    proposals: list[tuple[int, ProposalRow]] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    """Of the ring."""
    stored: list[bytes] = field(default_factory=list)
    """Of the store's outbox."""

    def group(self, role: Role, index: int = 0) -> Group:
        return [group for group in self.groups if group.role is role][index]

    def rewards(self, role: Role, index: int = 0) -> list[float]:
        return [rollout.reward for rollout in self.group(role, index).rollouts]

    def rewards_by_text(self, role: Role) -> dict[str, float]:
        """What each distinct completion of the first group earned."""
        return {
            bytes(t for t in rollout.tokens.tolist() if t != END_TOKEN).decode(): rollout.reward
            for rollout in self.group(role).rollouts
        }

    def fates(self) -> list[str]:
        return [row.fate for _, row in self.proposals]


async def play_rounds(
    sandbox: Sandbox,
    directory: Path,
    kind: Kind,
    *,
    propose: Reply,
    solve: Reply | Callable[[str], Reply],
    rounds: int = 1,
    attempts: int = 8,
    **settings: Any,
) -> Played:
    """Play rounds of one kind with these replies, under these settings."""

    def script(prompt: str) -> Reply:
        if prompt.startswith("# Python functions, each") or "Invent" in prompt:
            return propose
        return solve if isinstance(solve, list) else solve(prompt)

    config = EngineConfig(
        deduction=int(kind is Kind.DEDUCTION),
        abduction=int(kind is Kind.ABDUCTION),
        induction=int(kind is Kind.INDUCTION),
        error=int(kind is Kind.ERROR),
        proposals=len(propose),
        solver_rollouts=attempts,
        rounds_in_flight=1,
        proposal_tokens=2000,
        answer_tokens=2000,
        **settings,
    )
    played = Played(run=RunDir(directory).create())
    with TaskStore(played.run.tasks_db) as store:
        store.add_seeds(await certified_tasks(sandbox, [SEED], num_inputs=4, kinds=config.kinds))
        ring = RingWriter.open(played.run.ring, capacity=1 << 20, run_id=bytes(16))
        player = Player(
            config=config,
            policy=ScriptedPolicy(script, version=VERSION),
            sandbox=sandbox,
            store=store,
            outbox=Outbox(store, ring),
            batch_samples=10_000,
            consumed_seq=lambda: 0,
            producer=lambda version: Producer(engine="engine", epoch=1, checksum=f"of {version}"),
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


@pytest.fixture
def play(sandbox: Sandbox, tmp_path: Path) -> Callable[..., Awaitable[Played]]:
    """Play rounds: `await play(kind, propose=replies, solve=replies or prompt -> replies)`."""
    return partial(play_rounds, sandbox, tmp_path)


# -- SGLang


@pytest.fixture(scope="session")
def fake_sglang(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """An interpreter for which `sglang.launch_server` is the fake one, with these settings."""

    def make(**settings: Any) -> str:
        home = Path(__file__).parent / "fake_sglang"
        python = tmp_path_factory.mktemp("env") / "bin" / "python"
        python.parent.mkdir()
        python.write_text(
            f"#!/bin/sh\nFAKE_SGLANG='{json.dumps(settings)}' PYTHONPATH={home} "
            f'exec {sys.executable} "$@"\n'
        )
        python.chmod(0o755)
        return str(python)

    return make


@pytest_asyncio.fixture(scope="session")
async def sglang_url(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Starts one real server, when it is first asked for, and says where it listens."""
    launches: list[Launch] = []

    async def url() -> str:
        if not launches:
            python = os.environ.get("SGLANG_PYTHON")
            if not python:
                pytest.skip("SGLANG_PYTHON names no interpreter; see `make test-sglang`")
            log = tmp_path_factory.mktemp("sglang") / "server.log"
            launches.append(Launch(python=Path(python), model=TINY_WEIGHTS, device="cpu", log=log))
            await launches[0].start()
        return launches[0].url

    yield url
    for launch in launches:
        await launch.stop()
