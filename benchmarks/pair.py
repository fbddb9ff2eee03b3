"""Two processes that hold the ends of a channel and do nothing else, told from here.

Their CPU is their own, user and system, of all their threads. A message that does not come ends the
run as a wrong one does: with the peer's name, after a patience that no honest play needs.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import connection
from types import TracebackType
from typing import Final, Self

from benchmarks.channels import SPAWN
from benchmarks.sides import CPU, Side, WrongMessageError, serve

PATIENCE_S: Final = 120.0
"""Longest wait for an answer; a play takes a few seconds at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What a play measured."""

    num_messages: int
    seconds: list[float]
    """As the sides took them: a stream's first sending and last receipt, or each round trip."""
    cpu_s: float
    """Of both processes."""

    @property
    def messages_per_s(self) -> float:
        """Of a stream, from when the first message was sent until the last one was checked."""
        return self.num_messages / (max(self.seconds) - min(self.seconds))

    @property
    def cpu_us(self) -> float:
        """CPU per message, of both processes."""
        return self.cpu_s / self.num_messages * 1e6


class Pair:
    """The two processes. A context manager: they end with it, whatever happened."""

    def __init__(self, name: str, sides: Sequence[Side], *, patience_s: float = PATIENCE_S) -> None:
        """Start them; who receives comes last in `sides`. `patience_s` is a play's longest."""
        self._name = name
        self._patience_s = patience_s
        self._is_idle = self._is_ready = False
        pipes = [SPAWN.Pipe() for _ in sides]
        self._controls = [ours for ours, _ in pipes]
        self._processes = [
            SPAWN.Process(target=serve, args=(side, theirs), daemon=True)
            for side, (_, theirs) in zip(sides, pipes, strict=True)
        ]
        for process, (_, theirs) in zip(self._processes, pipes, strict=True):
            process.start()
            theirs.close()

    def play(self, count: int) -> Played:
        """Pass so many messages, the first time as soon as both are ready. Raises
        WrongMessageError, naming the peer, at the first that is not as sent or does not come."""
        if not self._is_ready:
            self._answers(PATIENCE_S)
            self._is_ready = True
        before, seconds, after = (self._tell(what) for what in (CPU, count, CPU))
        return Played(num_messages=count, seconds=seconds, cpu_s=sum(after) - sum(before))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        for control, process in zip(self._controls, self._processes, strict=True):
            with contextlib.suppress(BrokenPipeError):
                control.send(None)
            control.close()
            if not self._is_idle:
                process.kill()
        for process in self._processes:
            process.join(PATIENCE_S)
            process.kill()
            process.join()
            process.close()

    def _tell(self, what: int) -> list[float]:
        self._is_idle = False
        for control in reversed(self._controls):  # so that the receiver waits already
            control.send(what)
        return self._answers(self._patience_s)

    def _answers(self, patience_s: float) -> list[float]:
        waiting, said = list(self._controls), []
        while waiting:
            ready = connection.wait(waiting, timeout=patience_s)
            if not ready:
                raise WrongMessageError(
                    f"{self._name}: nothing within {patience_s:g} s; a message is missing"
                )
            for control in ready:
                assert isinstance(control, connection.Connection)
                said += self._answer(control)
                waiting.remove(control)
        self._is_idle = True
        return said

    def _answer(self, control: "connection.Connection[object, object]") -> list[float]:
        try:
            answer = control.recv()
        except (EOFError, ConnectionResetError):
            raise WrongMessageError(f"{self._name}: a process of it has died") from None
        if isinstance(answer, str):
            raise WrongMessageError(f"{self._name}: {answer}")
        assert isinstance(answer, list)
        return answer
