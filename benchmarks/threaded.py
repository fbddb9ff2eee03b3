"""A local policy whose model runs in a thread of this process.

The rival of a process of its own, and what a test can reach into.
"""

import socket
import threading
from pathlib import Path

from engine.policy.local import LocalOptions, LocalPolicy
from engine.policy.local.server import Server


async def open_in_thread(
    directory: Path, *, options: LocalOptions | None = None
) -> tuple[LocalPolicy, Server]:
    """The policy and the server that it speaks to."""
    policy = LocalPolicy(directory, version=0, options=options or LocalOptions())
    ours, theirs = socket.socketpair()
    server = Server(theirs)
    threading.Thread(target=server.run, daemon=True).start()
    try:
        await policy.attach(ours)
    except BaseException:
        await policy.close()
        raise
    return policy, server
