"""Bodies and parameters of requests: bounded, checked, and refused in words."""

import asyncio
import json
from collections.abc import Collection
from typing import Final

from starlette.requests import Request

BODY_S: Final = 30.0
"""For a body to arrive."""


class RequestError(Exception):
    """A request that is none: an HTTP status and what is wrong."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


async def read_object(request: Request, *, most: int) -> dict[str, object]:
    """The JSON object in a body of at most `most` bytes."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise RequestError(415, "the body must be declared as application/json")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise RequestError(413, f"a body of more than {most} bytes")
    except TimeoutError:
        raise RequestError(408, f"a body that took over {BODY_S} s") from None
    try:
        fields = json.loads(body.decode("utf-8"))
    except (RecursionError, ValueError):
        raise RequestError(400, "the body is no JSON") from None
    if not isinstance(fields, dict):
        raise RequestError(422, "expected an object")
    return fields


def check_names(seen: Collection[str], known: Collection[str]) -> None:
    """Refuse a name that nobody knows."""
    unknown = sorted(set(seen) - set(known))
    if unknown:
        raise RequestError(422, f"expected some of {', '.join(known)}; got {unknown[0][:80]!r}")


def number_of(text: str, name: str, *, least: int, most: int) -> int:
    """A whole number of a query."""
    if not (text.isascii() and text.isdecimal() and least <= int(text[:20]) <= most):
        raise RequestError(422, f"{name} is a number from {least} to {most}, got {text[:80]!r}")
    return int(text)


def word_of(text: str, name: str, known: Collection[str]) -> str:
    """One of a few words of a query."""
    if text not in known:
        raise RequestError(422, f"{name} is one of {', '.join(known)}; got {text[:80]!r}")
    return text
