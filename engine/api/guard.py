"""Who may ask: the token, no page of a browser, and on the loopback only by its own name.

A page in a browser could send requests to the loopback of whoever looks at it. It says so itself
(the Origin header), and a name that was made to lead here is not one of the loopback's (Host).
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
OPEN_PATHS = ("/health",)
"""What may be asked without the token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """An application before which each request is checked."""

    app: ASGIApp
    token: str
    is_local: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that is refused, hand on any other."""
        if scope["type"] == "http":
            refusal = self._refusal(Headers(scope=scope), scope["path"])
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _refusal(self, headers: Mapping[str, str], path: str) -> JSONResponse | None:
        if "origin" in headers:
            return _refused(403, "requests from web pages are refused")
        if (
            self.is_local
            and not self.token
            and _name(headers.get("host", "")) not in _LOOPBACK_NAMES
        ):
            return _refused(403, "no server of that name here; ask for 127.0.0.1")
        if self.token and path not in OPEN_PATHS:
            scheme, _, told = headers.get("authorization", "").partition(" ")
            is_known = hmac.compare_digest(told.strip().encode(), self.token.encode())
            if scheme.lower() != "bearer" or not is_known:
                return _refused(401, "a bearer token is needed", {"WWW-Authenticate": "Bearer"})
        return None


def _name(host: str) -> str:
    """`Host` without its port."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdecimal() else host.lower()


def _refused(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers)
