"""The asyncio face of a model in this process.

One thread owns torch and the model (`worker`); this side tokenizes, hands over requests and gets
chunks back through the event loop, and never waits for a matrix product. Its waits: `sample` for
chunks, unblocked by the worker's next step; `load` for a thread that reads and verifies files, then
for a checksum, unblocked between two steps;
`open` for the model. The death of the worker unblocks all of them with a `PolicyError`.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue

import torch

from engine.policy.chat import ChatTemplate
from engine.policy.errors import PolicyError
from engine.policy.local.decoder import Decoder
from engine.policy.local.model import end_tokens, read_model, read_tokenizer
from engine.policy.local.prefix import PrefixCache
from engine.policy.local.weights import stage_weights
from engine.policy.local.worker import (
    Abort,
    Command,
    Delivery,
    PolicyStats,
    Request,
    Stop,
    Submit,
    Swap,
    Worker,
)
from engine.policy.protocol import Chunk, SamplingParams

logger = logging.getLogger(__name__)

Registry = dict[Request, asyncio.Queue[list[Chunk] | PolicyError]]
"""Who waits for the chunks of which request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalOptions:
    """How a model is run in this process."""

    max_batch: int = 32
    """Completions decoded together; more of them wait."""
    threads: int | None = None
    """CPU threads of a matrix product; None leaves it to torch."""
    device: str = "cpu"
    """"cpu" or a GPU such as "cuda"."""
    dtype: str | None = None
    """Precision of the weights; None is float32 on a CPU, where it is the fast one, and the
    files' own on a GPU."""
    prefix_tokens: int = 16_384
    """Prompt tokens whose keys and values are kept for reuse."""

    def __post_init__(self) -> None:
        for name in ("max_batch", "threads", "prefix_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")


class LocalPolicy:
    """A `Policy` on a CPU or one GPU: `await LocalPolicy.open(directory)`, `await close()`.

    Belongs to the event loop it was opened in.
    """

    def __init__(self, directory: Path, *, version: int, options: LocalOptions) -> None:
        """For `open`, which also starts the thread."""
        self._directory = directory
        self._version = version
        self._options = options
        self._tokenizer = read_tokenizer(directory)
        self._chat = ChatTemplate(directory)
        self._inbox: SimpleQueue[Command] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[Worker] = self._loop.create_future()
        self._chunks: Registry = {}
        self._loads: set[asyncio.Future[str]] = set()
        self._failure: PolicyError | None = None
        self._thread = threading.Thread(target=self._work, name="local-policy", daemon=True)

    @classmethod
    async def open(
        cls, directory: Path, *, version: int = 0, options: LocalOptions | None = None
    ) -> "LocalPolicy":
        """Load the model in `directory` and be ready to sample; raises PolicyError."""
        policy = cls(directory, version=version, options=options or LocalOptions())
        policy._thread.start()
        try:
            await policy._opened
        except asyncio.CancelledError:
            policy._inbox.put(Stop())
            raise
        return policy

    @property
    def version(self) -> int:
        """The version that the next token will be drawn from."""
        return self._worker.version

    @property
    def num_tokens(self) -> int:
        """Tokens sampled so far; written by another thread, so it may be a step behind."""
        return self._worker.stats.tokens

    @property
    def stats(self) -> PolicyStats:
        """A copy of the counters; they are written by another thread, so sums may be a step off."""
        return replace(self._worker.stats)

    def tokenize(self, text: str) -> list[int]:
        """The prompt's token ids, exactly as `sample` feeds them."""
        has_bos = bool(self._chat.bos) and text.startswith(self._chat.bos)
        return list(self._tokenizer.encode(text, add_special_tokens=not has_bos).ids)

    def chat(self, user: str) -> str:
        """The model's chat template around one message; PolicyError where it has none."""
        return self._chat(user)

    def sample(self, prompt: str, params: SamplingParams) -> "LocalGeneration":
        """Begin n completions of a prompt."""
        request = Request(tokens=tuple(self.tokenize(prompt)), params=params)
        self._check(request)
        return LocalGeneration(request, inbox=self._inbox, registry=self._chunks)

    async def load(
        self, directory: Path, version: int, *, expected: Mapping[str, str] | None = None
    ) -> str:
        """Take new weights between two steps; returns a checksum of the model's own tensors.

        Sampling goes on while the files are read and verified; meanwhile they are in memory beside
        the model. Raises RefusedWeights if they are not as `expected`, PolicyError if they do not
        fit; in both cases the old weights stay.
        """
        self._check_alive()
        model = self._worker.decoder.model
        staged = await asyncio.to_thread(stage_weights, model, directory, expected=expected)
        self._check_alive()
        loaded: asyncio.Future[str] = self._loop.create_future()
        self._loads.add(loaded)

        def reply(checksum: str) -> None:
            self._call_soon(lambda: _settle(loaded, checksum))

        self._inbox.put(Swap(staged, version, reply))
        try:
            return await loaded
        finally:
            self._loads.discard(loaded)

    async def close(self) -> None:
        """End what is running with a PolicyError and stop the thread; the model goes with us."""
        self._inbox.put(Stop())
        await asyncio.to_thread(self._thread.join)
        self._fail(PolicyError("the policy is closed"))

    @property
    def _worker(self) -> Worker:
        return self._opened.result()

    def _work(self) -> None:
        """The thread: build, run, and tell the loop how it ended."""
        try:
            worker = self._build()
            self._call_soon(lambda: self._accept(worker))
            worker.run()
        except Exception as error:  # the thread's boundary; every waiter gets the reason
            logger.exception("the local policy's thread has ended")
            failure = PolicyError(f"the local policy has failed: {error}")
            failure.__cause__ = error
            self._call_soon(lambda: self._fail(failure))

    def _accept(self, worker: Worker) -> None:
        if not self._opened.done():  # else whoever opened was cancelled
            self._opened.set_result(worker)

    def _build(self) -> Worker:
        options = self._options
        if options.threads is not None:
            torch.set_num_threads(options.threads)
        model = read_model(self._directory, device=options.device, dtype=options.dtype)
        tokenizer = self._tokenizer
        with torch.inference_mode():
            decoder = Decoder(model, slots=options.max_batch)
        return Worker(
            decoder=decoder,
            prompts=PrefixCache(decoder, max_tokens=options.prefix_tokens),
            decode_text=tokenizer.decode,
            end_tokens=end_tokens(model, tokenizer, directory=self._directory),
            version=self._version,
            inbox=self._inbox,
            deliver=lambda delivery: self._call_soon(lambda: self._hand_out(delivery)),
        )

    def _call_soon(self, action: Callable[[], None]) -> None:
        """Have the loop do it; a loop that is gone has nobody left to tell."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(action)

    def _hand_out(self, delivery: Delivery) -> None:
        for request, chunks in delivery.items():
            if queue := self._chunks.get(request):  # absent: aborted while the step ran
                queue.put_nowait(chunks)

    def _fail(self, error: PolicyError) -> None:
        """Give every waiter, now and later, the reason why there is no worker."""
        self._failure = self._failure or error
        for queue in self._chunks.values():
            queue.put_nowait(error)
        for loaded in self._loads:
            _settle(loaded, error)
        if not self._opened.done():
            self._opened.set_exception(error)

    def _check_alive(self) -> None:
        if self._failure:
            raise self._failure

    def _check(self, request: Request) -> None:
        self._check_alive()
        params, room = request.params, self._worker.decoder.max_length
        if params.n < 1 or params.max_tokens < 1 or params.temperature < 0:
            raise PolicyError(f"n and max_tokens must be positive, temperature not < 0: {params}")
        if not 0 < len(request.tokens) < room:
            raise PolicyError(
                f"a prompt of {len(request.tokens)} tokens: expected 1 to {room - 1}, which is "
                "what the model can hold; show fewer references or shorter programs"
            )


class LocalGeneration:
    """n completions that the worker writes; see `Generation`."""

    def __init__(
        self, request: Request, *, inbox: SimpleQueue[Command], registry: Registry
    ) -> None:
        self._request = request
        self._inbox = inbox
        self._registry = registry
        self._delivered: asyncio.Queue[list[Chunk] | PolicyError] = asyncio.Queue()
        self._ready: deque[Chunk] = deque()
        self._unfinished = request.params.n
        registry[request] = self._delivered
        inbox.put(Submit(request))

    def __aiter__(self) -> "LocalGeneration":
        return self

    async def __anext__(self) -> Chunk:
        while not self._ready:
            if not self._unfinished:
                await self.aclose()
                raise StopAsyncIteration
            delivered = await self._delivered.get()
            if isinstance(delivered, PolicyError):
                raise delivered
            self._ready.extend(delivered)
        chunk = self._ready.popleft()
        self._unfinished -= chunk.finish is not None
        return chunk

    def abort(self, index: int) -> None:
        """Have no more of one completion written."""
        self._inbox.put(Abort(self._request, index))

    async def aclose(self) -> None:
        """Abort what is unfinished; nothing more is delivered."""
        if self._registry.pop(self._request, None) is not None and self._unfinished:
            self._inbox.put(Abort(self._request))


def _settle(loaded: asyncio.Future[str], outcome: str | Exception) -> None:
    if loaded.done():  # its caller was cancelled
        return
    if isinstance(outcome, Exception):
        loaded.set_exception(outcome)
    else:
        loaded.set_result(outcome)
