"""A SGLang server as a child of the engine, in an environment of its own.

Nothing of SGLang is imported here: its interpreter is named in the configuration. The server has a
process group of its own, writes to a log file, and dies with the engine.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from engine.policy.errors import PolicyError

_ON_CPU: Final = (
    "--device", "cpu", "--attention-backend", "torch_native", "--sampling-backend", "pytorch",
    "--disable-overlap-schedule", "--sleep-on-idle", "--cuda-graph-backend-decode", "disabled",
    "--cuda-graph-backend-prefill", "disabled", "--dtype", "float32",
    "--max-total-tokens", "65536",
)  # fmt: skip
"""Without these a server on a CPU is several times slower, or takes all of the memory."""
_CPU_ENVIRONMENT: Final = {"SGLANG_USE_CPU_ENGINE": "1", "OMP_NUM_THREADS": "1"}
_INCREMENTAL: Final = "--incremental-streaming-output"
STOP_WITHIN_S: Final = 10.0
_LOG_LINES: Final = 5


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True, kw_only=True)
class Launch:
    """How a server is started, and the one that runs. One owner: its seat."""

    python: Path
    """The interpreter of the server's environment."""
    model: Path
    device: str
    log: Path
    args: Sequence[str] = ()
    """More options of `sglang.launch_server`; they come last, so they win."""
    port: int = field(default_factory=free_port)
    num_starts: int = 0
    is_ready: bool = False
    """Whether the server that was started last has ever answered."""
    was_ever_ready: bool = False
    """Whether any has: one that never was is badly configured, and not started again."""
    _process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where it will listen."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Of the server, if one was started."""
        return self._process.pid if self._process else None

    def is_running(self) -> bool:
        """Whether the process is there; it may hang all the same."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start a server; it is ready later. Raises PolicyError if it cannot even be started."""
        if not self.python.is_file():
            raise PolicyError(
                f"engine.sglang_python is {self.python}, where no interpreter is; "
                "`make .venv-sglang/ready` makes such an environment"
            )
        command = [str(self.python), "-m", "sglang.launch_server", *self._options()]
        own = _CPU_ENVIRONMENT if self.device == "cpu" else {}
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "engine.policy.bound", str(os.getpid()), *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"} | own,
                start_new_session=True,
            )  # fmt: skip
        self.num_starts += 1
        self.is_ready = False

    def found_ready(self) -> None:
        """Note that the server answers."""
        self.is_ready = self.was_ever_ready = True

    async def stop(self) -> None:
        """End the server and its children; no-op without one."""
        process = self._process
        if process is None:
            return
        self._signal(signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_WITHIN_S):
                await process.wait()
        self._signal(signal.SIGKILL)
        await process.wait()
        self._process = None

    def last_words(self) -> str:
        """The end of its log, for a message."""
        try:
            lines = self.log.read_text("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        return " / ".join(line.strip() for line in lines[-_LOG_LINES:])[-600:]

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _options(self) -> list[str]:
        own = [*_ON_CPU] if self.device == "cpu" else []
        if _streams_increments(self.python):
            own.append(_INCREMENTAL)
        place = ["--host", "127.0.0.1", "--port", str(self.port)]
        return ["--model-path", str(self.model), *place, *own, *self.args]


def _streams_increments(python: Path) -> bool:
    """Whether this SGLang can stream new tokens only, by its source: asking it takes a minute."""
    source = "lib/python3*/site-packages/sglang/srt/managers/tokenizer_manager.py"
    word = _INCREMENTAL.removeprefix("--").replace("-", "_")
    return any(
        word in found.read_text("utf-8", "replace") for found in python.parent.parent.glob(source)
    )
