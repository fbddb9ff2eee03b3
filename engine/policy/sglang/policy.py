"""SGLang servers as a policy: started by us, or given by address. Nothing of SGLang is imported.

Prompts are tokenized here, tokens come back with log-probabilities and the version that drew them.
New weights go by disk: running requests are put back with their tokens, the server reads the files
under the version as their name, and goes on; its cache is computed anew. Every step has a limit.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.policy.errors import PolicyError
from engine.policy.protocol import Chunk, SamplingParams
from engine.policy.sglang.agreement import disagreement
from engine.policy.sglang.client import Patience, ServerClient
from engine.policy.sglang.fleet import Fleet, Seat, Target
from engine.policy.sglang.generation import Sample, SGLangGeneration
from engine.policy.sglang.launch import Launch
from engine.policy.tensor_files import file_checksums
from engine.policy.text import TextStream
from engine.policy.tokens import ModelText
from engine.wire.manifest import combine_checksums

if TYPE_CHECKING:
    import aiohttp

_COMPARED: Final = "def f(words):\n    return sorted(words, key=len)\n\nf(['kelvin', 'is', 'cold'])"
"""The beginning that servers and trainer are compared on."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SGLangOptions:
    """Which servers, and how they are run."""

    python: str = ""
    """Interpreter of the environment from which one server is started."""
    urls: Sequence[str] = ()
    """Servers that run already; they must see the run's files under the same paths."""
    router: str = ""
    """Where completions are asked for, if not of the servers themselves."""
    args: Sequence[str] = ()
    """More options of a server that is started."""
    device: str = "cpu"
    log: Path = Path("sglang.log")
    """Of a server that is started."""
    tolerance: float = 0.05
    """Mean difference of log-probabilities, in nats, to the trainer's numerics above which a server
    is refused; 0: it is not asked."""
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        if bool(self.python) == bool(self.urls):
            raise PolicyError(
                "the policy sglang needs engine.sglang_python, to start a server from, or "
                "engine.sglang_urls, where servers run; one of the two"
            )


class SGLangPolicy:
    """A `Policy`: `await SGLangPolicy.open(directory, options=...)`, `await close()`."""

    def __init__(self, directory: Path, *, version: int, options: SGLangOptions) -> None:
        """For `open`, which also starts what there is to start."""
        self._text = ModelText(directory)
        self._session = _session()
        self._background: set[asyncio.Task[None]] = set()
        self._num_tokens = 0
        self._version = version
        seats = [self._seat(url, options) for url in options.urls]
        if options.python:
            launch = Launch(
                python=Path(options.python).absolute(), model=directory, device=options.device,
                log=options.log, args=options.args,
            )  # fmt: skip
            seats = [self._seat(launch.url, options, launch)]
        self.fleet = Fleet(seats, Target(directory=directory, version=version), options.patience)

    @classmethod
    async def open(
        cls, directory: Path, *, options: SGLangOptions, version: int = 0
    ) -> "SGLangPolicy":
        """Be ready to sample from the weights in `directory`; raises PolicyError."""
        policy = cls(_absolute(directory), version=version, options=options)
        try:
            await policy.fleet.open()
            await policy.compare(options.tolerance)
        except BaseException:
            await policy.close()
            raise
        return policy

    async def compare(self, tolerance: float) -> None:
        """Raise PolicyError if a server is not the policy that the trainer will take it for."""
        model, prompt = self.fleet.target.directory, self.tokenize(_COMPARED)
        for seat in self.fleet.seats if tolerance else ():
            gap = await disagreement(seat.client, model, prompt)
            log.info("%s and the trainer's numerics: %s nats apart", seat.client.url, gap)
            if gap is not None and not gap <= tolerance:  # NaN is not
                raise PolicyError(
                    f"{seat.client.url} gives log-probabilities {gap:.3g} nats from those of "
                    f"{model} in float32, at most {tolerance:g} was expected: another model, "
                    "tokenizer or precision? raise engine.sglang_tolerance if it is meant so"
                )

    @property
    def version(self) -> int:
        """The version that the next token will be drawn from, once every server has it."""
        return self._version

    @property
    def num_tokens(self) -> int:
        """Tokens sampled so far."""
        return self._num_tokens

    def tokenize(self, text: str) -> list[int]:
        """The prompt's token ids, exactly as `sample` feeds them."""
        return self._text.tokenize(text)

    def chat(self, user: str) -> str:
        """The model's chat template around one message; PolicyError where it has none."""
        return self._text.chat(user)

    def sample(self, prompt: str, params: SamplingParams) -> SGLangGeneration:
        """Begin n completions of a prompt."""
        if self.fleet.failure:
            raise self.fleet.failure
        ids = self.tokenize(prompt)
        if not ids or params.n < 1 or params.max_tokens < 1 or params.temperature < 0:
            raise PolicyError(
                f"expected a prompt, n and max_tokens of 1 or more, a temperature not below 0, got "
                f"{len(ids)} tokens and {params}"
            )
        chunks: asyncio.Queue[Chunk | PolicyError] = asyncio.Queue()

        def deliver(chunk: Chunk) -> None:
            self._num_tokens += len(chunk.tokens)
            chunks.put_nowait(chunk)

        room = self.fleet.room
        if room is not None and len(ids) >= room:
            raise PolicyError(
                f"a prompt of {len(ids)} tokens: expected 1 to {room - 1}, which is what the "
                "servers take; show fewer references or shorter programs"
            )
        budget = params.max_tokens if room is None else min(params.max_tokens, room - len(ids))
        samples = [
            Sample(
                index=index, prompt=ids, params=params, budget=budget, fleet=self.fleet,
                text=TextStream(self._text.decode, stop=params.stop), deliver=deliver,
            )
            for index in range(params.n)
        ]  # fmt: skip
        return SGLangGeneration(samples, chunks, self._abandon)

    async def load(
        self, directory: Path, version: int, *, expected: Mapping[str, str] | None = None
    ) -> str:
        """Have every server take new weights between two tokens.

        Returns a checksum of the tensors in the files. They were read and verified just before the
        servers read them, and each server then named the version as its own; what it has in memory
        it does not tell in terms that could be compared. Raises RefusedWeights if the files are not
        as `expected`, PolicyError if they do not fit; the old weights stay, or are given again.
        """
        checksums = await asyncio.to_thread(file_checksums, directory, expected)
        await self.fleet.aim(Target(directory=_absolute(directory), version=version))
        self._version = version
        return combine_checksums(checksums)

    async def close(self) -> None:
        """End what is running with a PolicyError, and the servers that are ours."""
        await self.fleet.close()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._session.close()

    def _seat(self, url: str, options: SGLangOptions, launch: Launch | None = None) -> Seat:
        client = ServerClient(url, self._session, options.patience, via=options.router)
        return Seat(client=client, launch=launch)

    def _abandon(self, requests: Sequence[tuple[Seat, str]]) -> None:
        """Tell servers, behind a router perhaps, of requests that nobody waits for."""
        if self._session.closed:
            return  # and with it their connections
        for _, rid in requests:
            for seat in self.fleet.seats:
                task = asyncio.create_task(_abort(seat, rid))
                self._background.add(task)
                task.add_done_callback(self._background.discard)


async def _abort(seat: Seat, rid: str) -> None:
    with suppress(PolicyError):  # a closed connection ends the request too, a little later
        await seat.client.abort(rid)


def _absolute(directory: Path) -> Path:
    """As a server finds it, which has another working directory perhaps; links are followed."""
    return directory.resolve()


def _session() -> "aiohttp.ClientSession":
    try:
        import aiohttp
    except ImportError:
        raise PolicyError(
            "the policy sglang speaks HTTP with aiohttp: pip install 'kelvin-rl[sglang]'"
        ) from None
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
