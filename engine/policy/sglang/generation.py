"""n completions of one prompt from a fleet: one request each, resumed until it is done.

A completion is known by its tokens, not by a request: when a server dies, hangs, restarts or aborts
for reasons of its own, what has been written stays and another request goes on from there. Where a
completion ends is decided here, by the stop strings in the text of its tokens, as it is for every
policy; the server is told them too, so that it does not write on.
"""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Final

from engine.policy.errors import PolicyError
from engine.policy.protocol import Chunk, SamplingParams
from engine.policy.sglang.errors import ProtocolError, ServerError
from engine.policy.sglang.fleet import Fleet, Seat
from engine.policy.sglang.replies import Piece, ReplyReader
from engine.policy.text import TextStream
from engine.wire.messages import Finish

BARREN_REQUESTS: Final = 8
"""Requests in a row that may end without a token; a server that does no better has failed."""
_MOST_PATIENCE: Final = 32.0
_SEED_STRIDE: Final = 1_000_003


@dataclass(slots=True, kw_only=True, eq=False)
class Sample:
    """One completion being written."""

    index: int
    prompt: Sequence[int]
    params: SamplingParams
    budget: int
    """Tokens that it may have, as the servers have no room for more."""
    fleet: Fleet
    text: TextStream
    deliver: Callable[[Chunk], None]
    tokens: list[int] = field(default_factory=list)
    request: tuple[Seat, str] | None = None
    """The server that is asked now, and the name of the request."""
    is_done: bool = False

    async def run(self) -> None:
        """Write to the end; PolicyError if that cannot be."""
        barren, trouble = 0, ""
        while not self.is_done:
            before = len(self.tokens)
            seat = await self.fleet.take()
            seat.load += 1
            try:
                await self._ask(seat, patience=min(2.0**barren, _MOST_PATIENCE))
            except (ServerError, ProtocolError) as error:
                trouble = str(error)
                self.fleet.report(seat, trouble)
            finally:
                seat.load -= 1
            barren = 0 if len(self.tokens) > before else barren + 1
            if barren == BARREN_REQUESTS:
                raise PolicyError(
                    f"{seat.client.url} has ended {barren} requests without a token: {trouble}"
                )

    async def _ask(self, seat: Seat, *, patience: float) -> None:
        """One request, until it or the completion ends.

        Where there are more requests than a server can run one may wait for long: who asks again
        is the last in the queue, and waits twice as long.
        """
        reader, rid = ReplyReader(), uuid.uuid4().hex
        self.request = seat, rid
        async with aclosing(seat.client.generate(self._body(rid), patience=patience)) as events:
            async for event in events:
                piece = reader.read(event)
                if strange := next((a for a in piece.labels if not self.fleet.knows(a)), None):
                    raise ServerError(f"it samples from weights that we did not give it: {strange}")
                self._take(piece)
                if self.is_done or piece.end:
                    break
        if self.is_done and piece.end is None:
            with suppress(PolicyError):  # the closed connection ends it too, a little later
                await seat.client.abort(rid)
        self.request = None

    def _body(self, rid: str) -> dict[str, object]:
        params = self.params
        sampling: dict[str, object] = {
            "max_new_tokens": self.budget - len(self.tokens),
            "temperature": params.temperature,
            "top_p": 1.0,
            "top_k": -1,
            "stop": list(params.stop),
            "no_stop_trim": True,
        }
        if params.seed is not None:  # heeded by deterministic servers, which would clone a group
            sampling["sampling_seed"] = (params.seed + self.index * _SEED_STRIDE) % 2**31
        ids = [*self.prompt, *self.tokens]
        return {"rid": rid, "input_ids": ids, "sampling_params": sampling, "return_logprob": True}

    def _take(self, piece: Piece) -> None:
        """Deliver what an event adds, token by token: each may be the last.

        A server that ends it for its length before the budget is used has no room for more.
        """
        ending = {"stop": Finish.STOP, "length": Finish.LENGTH}.get(piece.end or "")
        last = len(piece.tokens) - 1
        for at, (token, logprob, label) in enumerate(
            zip(piece.tokens, piece.logprobs, piece.labels, strict=True)
        ):
            self._add(token, logprob, int(label), ending=ending if at == last else None)
            if self.is_done:
                return
        if ending and not piece.tokens:
            self._finish(ending)

    def _add(self, token: int, logprob: float, version: int, *, ending: Finish | None) -> None:
        self.tokens.append(token)
        text = self.text.push(token)
        finish = Finish.LENGTH if len(self.tokens) >= self.budget else ending
        if ending is Finish.STOP or self.text.stopped:
            finish = Finish.STOP
        if finish:
            text += self.text.flush()
            self.is_done = True
        self.deliver(
            Chunk(
                index=self.index, text=text, tokens=(token,), logprobs=(logprob,), version=version,
                finish=finish,
            )
        )  # fmt: skip

    def _finish(self, finish: Finish) -> None:
        """End without one more token."""
        self.is_done = True
        version = self.fleet.target.version
        self.deliver(
            Chunk(
                index=self.index, text=self.text.flush(), tokens=(), logprobs=(), version=version,
                finish=finish,
            )
        )  # fmt: skip

    def cut(self) -> None:
        """End it where it is."""
        if not self.is_done:
            self._finish(Finish.ABORT)


class SGLangGeneration:
    """n completions being written; see `Generation`."""

    def __init__(
        self,
        samples: Sequence[Sample],
        chunks: "asyncio.Queue[Chunk | PolicyError]",
        abandon: Callable[[Sequence[tuple[Seat, str]]], None],
    ) -> None:
        self._samples = samples
        self._chunks = chunks
        self._abandon = abandon
        self._unfinished = len(samples)
        self._tasks = [asyncio.create_task(self._run(sample)) for sample in samples]

    def __aiter__(self) -> "SGLangGeneration":
        return self

    async def __anext__(self) -> Chunk:
        if not self._unfinished:
            await self.aclose()
            raise StopAsyncIteration
        chunk = await self._chunks.get()
        if isinstance(chunk, PolicyError):
            await self.aclose()
            raise chunk
        self._unfinished -= chunk.finish is not None
        return chunk

    def abort(self, index: int) -> None:
        """Have no more of one completion written."""
        sample = self._samples[index]
        if not sample.is_done:
            sample.cut()
            self._drop([index])

    async def aclose(self) -> None:
        """Abort what is unfinished; nothing more is delivered."""
        self._unfinished = 0
        self._drop(
            [sample.index for sample in self._samples if not self._tasks[sample.index].done()]
        )
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, sample: Sample) -> None:
        try:
            await sample.run()
        except PolicyError as error:
            self._chunks.put_nowait(error)
        except Exception as error:  # noqa: BLE001  # or whoever iterates would wait for ever
            told = PolicyError(f"a completion ended by {error!r}")
            told.__cause__ = error
            self._chunks.put_nowait(told)

    def _drop(self, indices: Sequence[int]) -> None:
        """Stop reading, and tell the servers not to write."""
        requests = [self._samples[index].request for index in indices]
        for index in indices:
            self._tasks[index].cancel()
        self._abandon([request for request in requests if request])
