"""The engine's side of a model that runs in a process of its own.

The process (`server`) owns torch and the model; this side tokenizes, sends requests over a socket
and gets chunks back through the event loop, and never waits for a matrix product or for torch's
hold on the interpreter. Its waits: `sample` for chunks, unblocked by the process's next step;
`load` for files to be read and verified and then for a checksum; `open` for the model; `close` for
the process's end, with a bound. The death of the process unblocks all of them with a `PolicyError`.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Final

from engine.policy.errors import PolicyError, RefusedWeights
from engine.policy.local.generation import LocalGeneration, Registry
from engine.policy.local.link import (
    READ_BYTES,
    Decoding,
    Delivery,
    Failed,
    Load,
    Loaded,
    LocalOptions,
    Message,
    Open,
    PolicyStats,
    Ready,
    Refused,
    Stop,
    Submit,
    encode,
)
from engine.policy.protocol import SamplingParams
from engine.policy.tokens import ModelText

STOP_WITHIN_S: Final = 10.0


class LocalPolicy:
    """A `Policy` on a CPU or one GPU: `await LocalPolicy.open(directory)`, `await close()`.

    Belongs to the event loop it was opened in.
    """

    def __init__(self, directory: Path, *, version: int, options: LocalOptions) -> None:
        """For `open`, which also starts the process."""
        self._opening = Open(str(directory), version, options)
        self._text = ModelText(directory)
        self._version = version
        self._stats = PolicyStats()
        self._keys = count()
        self._opened: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """The model's greatest length."""
        self._chunks: Registry = {}
        self._loads: dict[int, asyncio.Future[str]] = {}
        self._failure: PolicyError | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls, directory: Path, *, version: int = 0, options: LocalOptions | None = None
    ) -> "LocalPolicy":
        """Load the model in `directory` and be ready to sample; raises PolicyError."""
        policy = cls(directory, version=version, options=options or LocalOptions())
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                policy._process = await _start(theirs.fileno(), policy._opening.options)
            await policy.attach(ours)
        except BaseException:
            ours.close()
            await policy.close()
            raise
        return policy

    async def attach(self, link: socket.socket) -> None:
        """Be ready to sample from the server at the other end of a socket, which it takes over."""
        reader, self._writer = await asyncio.open_connection(sock=link)
        self._reading = asyncio.create_task(self._read(reader))
        self._send(self._opening)
        await self._opened

    @property
    def version(self) -> int:
        """The version that the next token will be drawn from, as far as it has come here."""
        return self._version

    @property
    def num_tokens(self) -> int:
        """Tokens sampled so far."""
        return self._stats.tokens

    @property
    def stats(self) -> PolicyStats:
        """A copy of the counters, as of the last step."""
        return replace(self._stats)

    @property
    def pid(self) -> int | None:
        """The model's process."""
        return self._process.pid if self._process else None

    def tokenize(self, text: str) -> list[int]:
        """The prompt's token ids, exactly as `sample` feeds them."""
        return self._text.tokenize(text)

    def chat(self, user: str) -> str:
        """The model's chat template around one message; PolicyError where it has none."""
        return self._text.chat(user)

    def sample(self, prompt: str, params: SamplingParams) -> LocalGeneration:
        """Begin n completions of a prompt."""
        request = Submit(next(self._keys), tuple(self.tokenize(prompt)), params)
        self._check(request)
        return LocalGeneration(request, send=self._send, registry=self._chunks)

    async def load(
        self, directory: Path, version: int, *, expected: Mapping[str, str] | None = None
    ) -> str:
        """Take new weights between two steps; returns a checksum of the model's own tensors.

        Sampling goes on while the files are read and verified; meanwhile they are in memory beside
        the model. Raises RefusedWeights if they are not as `expected`, PolicyError if they do not
        fit; in both cases the old weights stay.
        """
        self._check_alive()
        key = next(self._keys)
        loaded: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._loads[key] = loaded
        self._send(Load(key, str(directory), version, None if expected is None else dict(expected)))
        try:
            return await loaded
        finally:
            del self._loads[key]

    async def close(self) -> None:
        """End what is running with a PolicyError, and the process with the model."""
        self._fail(PolicyError("the policy is closed"))
        self._send(Stop())
        if process := self._process:
            try:
                async with asyncio.timeout(STOP_WITHIN_S if self._is_open() else 0):
                    await process.wait()
            except TimeoutError:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if self._reading:
            await self._reading
        if self._writer:
            self._writer.close()
            with suppress(OSError):
                await self._writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Take what the process says, until it says no more."""
        decoding = Decoding()
        try:
            while data := await reader.read(READ_BYTES):
                for message in decoding.feed(data):
                    self._take(message)
        except OSError:
            pass  # reset: it died in the middle of a message
        except ValueError as error:
            self._fail(PolicyError(f"the local policy's process is not understood: {error}"))
        ending = await self._process.wait() if self._process else 0
        self._fail(PolicyError(f"the local policy's process {_how(ending)}"))

    def _take(self, message: Message) -> None:
        match message:
            case Delivery(chunks, stats):
                self._stats = stats
                for key, chunk in chunks:
                    if queue := self._chunks.get(key):  # absent: closed while the step ran
                        queue.put_nowait(chunk)
            case Loaded(key, version, checksum):
                self._version = version
                self._settle(key, checksum)
            case Refused(key, reason, is_torn):
                self._settle(key, (RefusedWeights if is_torn else PolicyError)(reason))
            case Ready(max_length) if not self._opened.done():
                self._opened.set_result(max_length)
            case Failed(reason):
                self._fail(PolicyError(reason))

    def _settle(self, key: int, outcome: str | PolicyError) -> None:
        loaded = self._loads.get(key)
        if loaded is None or loaded.done():  # its caller was cancelled
            return
        if isinstance(outcome, PolicyError):
            loaded.set_exception(outcome)
        else:
            loaded.set_result(outcome)

    def _send(self, message: Message) -> None:
        if self._writer and not self._writer.is_closing():
            self._writer.write(encode(message))

    def _fail(self, error: PolicyError) -> None:
        """Give every waiter, now and later, the reason why there is no model; the first counts."""
        self._failure = self._failure or error
        for queue in self._chunks.values():
            queue.put_nowait(self._failure)
        for key in list(self._loads):
            self._settle(key, self._failure)
        if not self._opened.done():
            self._opened.set_exception(self._failure)
            self._opened.exception()  # there may be nobody who waits for it

    def _is_open(self) -> bool:
        return self._opened.done() and self._opened.exception() is None

    def _check_alive(self) -> None:
        if self._failure:
            raise self._failure

    def _check(self, request: Submit) -> None:
        self._check_alive()
        params, room = request.params, self._opened.result()
        if params.n < 1 or params.max_tokens < 1 or params.temperature < 0:
            raise PolicyError(f"n and max_tokens must be positive, temperature not < 0: {params}")
        if not 0 < len(request.tokens) < room:
            raise PolicyError(
                f"a prompt of {len(request.tokens)} tokens: expected 1 to {room - 1}, which is "
                "what the model can hold; show fewer references or shorter programs"
            )


async def _start(link: int, options: LocalOptions) -> asyncio.subprocess.Process:
    """The model's process. In a session of its own, so that Ctrl-C is the engine's alone."""
    threads = {} if options.threads is None else {"OMP_NUM_THREADS": str(options.threads)}
    command = [sys.executable, "-m", "engine.policy.local", str(link), str(os.getpid())]
    return await asyncio.create_subprocess_exec(
        *command,
        pass_fds=[link],
        stdin=asyncio.subprocess.DEVNULL,
        env=os.environ | threads,
        start_new_session=True,
    )


def _how(ending: int) -> str:
    """How a process ended, from its return code."""
    if ending >= 0:
        return f"ended with exit code {ending}; its own words are on standard error"
    name = signal.Signals(-ending).name
    hint = ": was there memory enough?" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"
