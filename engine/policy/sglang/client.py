"""One SGLang server over HTTP: its endpoints as methods, each with a time limit.

Nothing here retries or decides. `ServerError` says that a server did not do what was asked and that
it may help to ask again, or another one; `Refusal` that it understood and will not.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from engine.policy.errors import PolicyError
from engine.policy.sglang.errors import ProtocolError, Refusal, ServerError, answered
from engine.policy.sglang.replies import Event

if TYPE_CHECKING:
    import aiohttp

_DATA: Final = b"data:"
_DONE: Final = b"[DONE]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Time limits, in seconds."""

    connect_s: float = 5.0
    look_s: float = 10.0
    """For an answer to the question whether a server is there."""
    control_s: float = 60.0
    """For an answer to a small request: pause, continue, abort."""
    update_s: float = 600.0
    """For new weights to be read."""
    silent_s: float = 120.0
    """For the next event of a stream; twice as much each time that it was not enough."""
    ready_s: float = 1200.0
    """For a server that was started to answer: kernels may be compiled."""
    down_s: float = 300.0
    """For a server that is down to be back; then the policy has failed."""


class ServerClient:
    """Speaks to one server. Belongs to one event loop; the session is its owner's."""

    def __init__(
        self, url: str, session: "aiohttp.ClientSession", patience: Patience, *, via: str = ""
    ) -> None:
        self.url = url.rstrip("/")
        self._session = session
        self._patience = patience
        self._via = via.rstrip("/") or self.url
        """Where completions are asked for: a router, or the server itself."""

    @property
    def is_routed(self) -> bool:
        """Whether completions are written by this server or another, as a router likes."""
        return self._via != self.url

    async def info(self) -> Mapping[str, Any]:
        """`/model_info`, or `/get_model_info` of older servers: model_path, weight_version."""
        try:
            return await self._get("/model_info")
        except Refusal:
            return await self._get("/get_model_info")

    async def room(self) -> int | None:
        """Tokens that a prompt and its completion may have together; None if it does not say.

        Its scheduler answers, between two steps: one that hangs is a ServerError.
        """
        for path in ("/server_info", "/get_server_info"):
            try:
                most = (await self._get(path, self._patience.silent_s)).get("max_req_input_len")
            except Refusal:
                continue
            return most if type(most) is int else None
        return None

    async def generate(
        self, body: Mapping[str, object], *, patience: float = 1.0, directly: bool = False
    ) -> AsyncGenerator[Event, None]:
        """Events of one streamed request; closing the generator closes the connection.

        Waits `patience` times as long as usual for each. `directly`: not through a router.
        """
        import aiohttp

        limits = self._patience
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=limits.connect_s, sock_read=limits.silent_s * patience
        )
        url = f"{self.url if directly else self._via}/generate"
        with _told(url):
            async with self._session.post(
                url, json={**body, "stream": True}, timeout=timeout
            ) as response:
                if response.status != 200:
                    raise _refused(response, await response.text())
                async for event in _events(response.content.iter_any()):
                    yield event

    async def abort(self, rid: str) -> None:
        """Have no more of a request written; of an unknown one nothing."""
        await self._post("/abort_request", {"rid": rid})

    @asynccontextmanager
    async def paused(self) -> AsyncGenerator[None, None]:
        """Running requests go back to the queue, with their tokens and without their cache.

        The server goes on at the end of the block, however that ends; if it ends with an error,
        what the server holds is not known and without these requests, which end as aborted.
        """
        try:
            await self._post("/pause_generation", {"mode": "retract"})
            yield
        except BaseException:
            with suppress(PolicyError):
                await asyncio.shield(self._post("/abort_request", {"abort_all": True}))
            raise
        finally:
            await asyncio.shield(self._post("/continue_generation", {}))

    async def update(self, directory: Path, label: str) -> None:
        """Read weights from disk under a name, between two tokens, and see that they are there."""
        async with self.paused(), self._update_session():
            answer = await self._post(
                "/update_weights_from_disk",
                {
                    "model_path": str(directory),
                    "weight_version": label,
                    "flush_cache": True,
                    "abort_all_requests": False,
                },
                limit_s=self._patience.update_s,
            )
            if answer.get("success") is not True:
                raise Refusal(
                    f"{self.url} does not take the weights of {directory}: "
                    f"{answer.get('message', answer)}"
                )
        seen = str((await self.info()).get("weight_version", ""))
        if seen != label:
            raise ServerError(
                f"{self.url} says that it took the weights {label}, and names its own {seen!r}"
            )

    @asynccontextmanager
    async def _update_session(self) -> AsyncGenerator[None, None]:
        """Between begin and end of an update, for servers (from 0.5.21 on) that have these."""
        has_sessions = await self._begin()
        try:
            yield
        finally:
            if has_sessions:
                await asyncio.shield(self._post("/end_weight_update", {}))

    async def _begin(self) -> bool:
        """Open a session; False where the server has none."""
        try:
            await self._post("/begin_weight_update", {})
        except Refusal as error:
            if error.status in (404, 405):
                return False
            # One is open: whoever began it was killed, or never heard that it had ended.
            with suppress(Refusal):
                await self._post("/end_weight_update", {})
            await self._post("/begin_weight_update", {})
        return True

    async def _get(self, path: str, limit_s: float | None = None) -> Mapping[str, Any]:
        return await self._ask("GET", path, None, limit_s or self._patience.look_s)

    async def _post(
        self, path: str, body: Mapping[str, object], *, limit_s: float | None = None
    ) -> Mapping[str, Any]:
        return await self._ask("POST", path, body, limit_s or self._patience.control_s)

    async def _ask(
        self, method: str, path: str, body: Mapping[str, object] | None, limit_s: float
    ) -> Mapping[str, Any]:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=limit_s, sock_connect=self._patience.connect_s)
        url = f"{self.url}{path}"
        with _told(url):
            async with self._session.request(method, url, json=body, timeout=timeout) as response:
                text = await response.text()
                if response.status != 200:
                    raise _refused(response, text)
        try:
            answer = json.loads(text) if text.startswith("{") else {}
        except json.JSONDecodeError:
            raise ProtocolError(f"expected JSON from {url}, got {text[:200]!r}") from None
        return answer if isinstance(answer, dict) else {}


class _told:  # noqa: N801  # used like a function
    """Turns what the HTTP library raises into a sentence."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        import aiohttp

        if isinstance(error, TimeoutError):
            raise ServerError(f"{self._url} did not answer in time") from error
        if isinstance(error, (aiohttp.ClientError, OSError)):
            raise ServerError(f"{self._url} cannot be reached: {error}") from error


def _refused(response: "aiohttp.ClientResponse", text: str) -> PolicyError:
    sentence = f"{response.url} answered {response.status}: {' '.join(text.split())[:300]}"
    return answered(response.status, sentence)


async def _events(pieces: Any) -> AsyncGenerator[Event, None]:  # noqa: ANN401  # no type for it
    """The JSON of each `data:` line; whatever ends before `[DONE]` is a dead server."""
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            data = line.strip().removeprefix(_DATA).strip()
            if not line.startswith(_DATA):
                continue
            if data == _DONE:
                return
            try:
                yield json.loads(data)
            except json.JSONDecodeError:
                raise ProtocolError(f"expected JSON in an event, got {data[:200]!r}") from None
    raise ServerError("the stream ended before it was done")
