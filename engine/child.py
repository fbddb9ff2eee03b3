"""`trainer run` as a child of `engine serve --with-trainer`.

The child has a session of its own, so Ctrl-C reaches the engine alone, which then asks the child
to stop; if the engine is killed, the kernel asks. A trainer that was killed is started again, one
that ended with an error is not: its own words are shown.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.errors import EngineError
from engine.wire import RunDir

MAX_RESTARTS = 20
STOP_WITHIN_S = 90.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class TrainerChild:
    """Starts, restarts and stops the trainer. One owner."""

    run: RunDir
    on_state: Callable[[str], None]
    may_end: Callable[[], bool]
    """Whether the ring is closed, so that a trainer that ends of itself has done its work."""
    is_done: bool = field(default=False, init=False)
    """The trainer ended of itself, with everything it was given trained on."""
    _is_stopping: bool = field(default=False, init=False)
    _process: asyncio.subprocess.Process | None = field(default=None, init=False)

    async def supervise(self) -> None:
        """Keep a trainer running until it ends of itself."""
        await self._wait_for_predecessor()
        for restarts in range(MAX_RESTARTS + 1):
            code = await self._run_once()
            if self._is_stopping or (code == 0 and self.may_end()):
                self.is_done = True
                self.on_state("finished")
                return
            if code > 0:
                raise EngineError(
                    f"the trainer ended with exit code {code}: {self._last_words()} "
                    f"(all of it: {self.run.trainer_log})"
                )
            cause = f"killed by signal {-code}" if code else "stopped"
            self.on_state(f"{cause}, restart {restarts + 1}")
            log.warning("the trainer was %s; starting it again", cause)
        raise EngineError(
            f"the trainer was stopped or killed {MAX_RESTARTS} times; see {self.run.trainer_log}"
        )

    async def stop(self) -> None:
        """Ask the trainer to write its checkpoint and end; kill it if it does not."""
        self._is_stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await process.wait()
        except TimeoutError:
            log.warning("the trainer did not stop within %g s; killing it", STOP_WITHIN_S)
            process.kill()
            await process.wait()

    async def _wait_for_predecessor(self) -> None:
        """Let the trainer of an engine that was killed write its checkpoint and end."""
        deadline = asyncio.get_running_loop().time() + STOP_WITHIN_S
        while (pid := self.run.holder("trainer")) is not None:
            self.on_state(f"waiting for the one before, pid {pid}, to end")
            if asyncio.get_running_loop().time() > deadline:
                raise EngineError(
                    f"another trainer, pid {pid}, runs on {self.run.path}; stop it, or leave out "
                    "--with-trainer to play with it"
                )
            await asyncio.sleep(0.2)

    async def _run_once(self) -> int:
        command = [sys.executable, "-m", "trainer.cli", "run", "--run", str(self.run.path)]
        with self.run.trainer_log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                "--stop-with-parent",
                str(os.getpid()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.on_state(f"running, pid {self._process.pid}")
        return await self._process.wait()

    def _last_words(self) -> str:
        lines = self.run.trainer_log.read_text("utf-8", errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "it said nothing")
