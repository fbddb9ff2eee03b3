"""Where the HTTP interface listens, and what it asks of callers; settled before anything starts."""

import socket
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from engine.config import ConfigError, EngineConfig

PACKAGES: Final = ("starlette", "uvicorn", "prometheus_client")
MIN_TOKEN_CHARS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """An open listener and the token that callers need, empty for none."""

    listener: socket.socket
    token: str

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        from sandbox.gateway import is_loopback

        return is_loopback(self.listener.getsockname()[0])

    @property
    def url(self) -> str:
        """Its address, with the port that was really taken."""
        host, port = self.listener.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def open_door(config: EngineConfig) -> Door | None:
    """Begin to listen where the configuration says; None if it does not. ConfigError if it cannot.

    Port 0 takes a free one.
    """
    if not config.api:
        return None
    missing = [name for name in PACKAGES if not find_spec(name)]
    if missing:
        raise ConfigError(
            f"engine.api needs {', '.join(missing)}, not installed here; "
            "pip install 'kelvin-rl[api]'"
        )
    from sandbox.gateway import is_loopback

    host, port = address_of(config.api)
    token = _read_token(config.api_token_file)
    if not token and not is_loopback(host):
        raise ConfigError(
            f"engine.api {config.api} can be reached from other machines, so callers need a token: "
            "write one into a file and name it with engine.api_token_file"
        )
    return Door(listener=_listen(host, port), token=token)


def address_of(text: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:8460` or `[::1]:8460`; ConfigError for anything else."""
    host, colon, port = text.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if is_bracketed else host
    is_port = port.isascii() and port.isdecimal() and int(port) < 1 << 16
    if not (colon and host and is_port) or (":" in host and not is_bracketed):
        raise ConfigError(f"engine.api is HOST:PORT, got {text!r}; try 127.0.0.1:8460")
    return host, int(port)


def _read_token(name: str) -> str:
    if not name:
        return ""
    try:
        token = Path(name).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"engine.api_token_file {name} cannot be read: {error}") from None
    if len(token) < MIN_TOKEN_CHARS:
        raise ConfigError(
            f"engine.api_token_file {name} must have a token of {MIN_TOKEN_CHARS} characters or "
            f"more, it has {len(token)}; try: openssl rand -hex 16 > {name}"
        )
    return token


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error}; try another engine.api"
        ) from None
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what it accepts inherits this
    return listener
