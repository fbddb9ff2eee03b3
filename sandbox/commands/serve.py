"""`sandbox serve`: the sandbox behind `POST /run_code`."""

import asyncio
import contextlib
import logging
import resource
import signal
import socket
from typing import TYPE_CHECKING, NoReturn

from sandbox.commands import shell
from sandbox.jails import Jail

if TYPE_CHECKING:
    from sandbox.gateway import Bounds
    from sandbox.pool import Sandbox


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    workers: int = 2,
    max_requests: int = 256,
    max_run_timeout_s: float = 60.0,
    max_memory_mb: int = 1024,
    max_output_kb: int = 1024,
    max_body_mb: int = 16,
    jail: Jail = "auto",
) -> int:
    """Answer POST /run_code in SandboxFusion's shape until stopped (Ctrl-C or SIGTERM).

    Python scripts with stdin, nothing else: no files, no other language. There is no password, so
    it listens on this machine only, unless --host says otherwise.

        sandbox serve --port 8080 --workers 4

        curl localhost:8080/run_code -H 'Content-Type: application/json'
            -d '{"language": "python", "code": "print(int(input()) + 1)", "stdin": "41"}'

    Parameters
    ----------
    host
        Address to listen on. Whoever can reach it can spend this machine's time.
    port
        Port to listen on; 0 takes a free one and says which.
    workers
        Zygotes for each of two hash families: twice as many scripts run at once.
    max_requests
        Requests inside at once, running and waiting; over it the answer is 503.
    max_run_timeout_s
        A longer run_timeout is cut to this.
    max_memory_mb
        A larger memory_limit_MB is cut to this, and -1 means this.
    max_output_kb
        Most of stdout and stderr of a script together.
    max_body_mb
        Most of a request; over it the answer is 413.
    jail
        native, nsjail, or whichever works; the weaker filter-only must be named.
    """
    try:
        from sandbox.gateway import Bounds
    except ModuleNotFoundError as error:
        shell.fail(f"{error.name} is not installed; try: pip install 'kelvin-rl[serve]'")
    from sandbox.fusion import Ceilings
    from sandbox.pool import Sandbox

    try:
        ceilings = Ceilings(
            run_timeout_s=max_run_timeout_s,
            memory_mb=max_memory_mb,
            output_bytes=max_output_kb << 10,
            body_bytes=max_body_mb << 20,
        )
        pool = Sandbox(workers=workers, jail=jail)
        bounds = Bounds(max_requests=max_requests, ceilings=ceilings)
    except ValueError as error:
        shell.fail(str(error))
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    _raise_descriptor_limit()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)
    with contextlib.suppress(KeyboardInterrupt), _listen(host, port) as listener:
        asyncio.run(_serve(pool, listener, bounds))
    print("stopped; nothing is left running")
    return 0


async def _serve(pool: "Sandbox", listener: socket.socket, bounds: "Bounds") -> None:
    from sandbox import gateway

    host, port = listener.getsockname()[:2]
    async with pool as sandbox:
        layers = sandbox.status().layers
        print(f"jail: {sandbox.status().jail}; on:", *(n for n, (on, _) in layers.items() if on))
        for name, (is_on, why) in layers.items():
            if not is_on:
                print(f"off: {name} ({why})")
        if not gateway.is_loopback(host):
            print(f"WARNING: {host} can be reached from other machines, and there is no password")
        shown = f"[{host}]" if ":" in host else host
        print(f"now: POST http://{shown}:{port}/run_code", flush=True)
        await gateway.serve(sandbox, listener, bounds=bounds)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    """Both signals end the server in one way; not asyncio's, which would cancel the clean-up."""
    raise KeyboardInterrupt


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError) as error:
        shell.fail(f"cannot listen on {host}:{port}: {error}; try another --port")
    # What it accepts inherits this. asyncio sets it on sockets that name their protocol only;
    # without it each answer waits for the client's delayed acknowledgement, 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _raise_descriptor_limit() -> None:
    """Each request holds a connection, and some a guest's socket and pidfd."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
