"""What the HTTP interface sees of a running engine."""

from dataclasses import dataclass

from engine.api.counters import Counters
from engine.config import SandboxConfig
from engine.observe.board import Board
from engine.policy.protocol import Policy
from engine.tasks.store import TaskStore
from engine.wire import RingWriter, RunDir
from sandbox import Sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The parts of a session, to be looked at from its own event loop."""

    run: RunDir
    board: Board
    counters: Counters
    policy: Policy
    sandbox: Sandbox
    """Self-play's pool: looked at, never used."""
    store: TaskStore
    ring: RingWriter
    ring_capacity: int
    """Bytes."""
    limits: SandboxConfig
    """Of the pool that callers' programs run in."""
