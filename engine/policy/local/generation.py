"""The chunks of one request, as they come from the model's process."""

import asyncio
from collections.abc import Callable

from engine.policy.errors import PolicyError
from engine.policy.local.link import Abort, Message, Submit
from engine.policy.protocol import Chunk

Delivered = asyncio.Queue[Chunk | PolicyError]
Registry = dict[int, Delivered]
"""Who waits for the chunks of which request."""


class LocalGeneration:
    """n completions that the process writes; see `Generation`."""

    def __init__(
        self, request: Submit, *, send: Callable[[Message], None], registry: Registry
    ) -> None:
        self._key = request.key
        self._send = send
        self._registry = registry
        self._delivered: Delivered = asyncio.Queue()
        self._unfinished = request.params.n
        registry[request.key] = self._delivered
        send(request)

    def __aiter__(self) -> "LocalGeneration":
        return self

    async def __anext__(self) -> Chunk:
        if not self._unfinished:
            await self.aclose()
            raise StopAsyncIteration
        chunk = await self._delivered.get()
        if isinstance(chunk, PolicyError):
            self._unfinished = 0
            raise chunk
        self._unfinished -= chunk.finish is not None
        return chunk

    def abort(self, index: int) -> None:
        """Have no more of one completion written."""
        self._send(Abort(self._key, index))

    async def aclose(self) -> None:
        """Abort what is unfinished; nothing more is delivered."""
        if self._registry.pop(self._key, None) is not None and self._unfinished:
            self._send(Abort(self._key))
