"""Serving the HTTP interface as one task of the engine, until it is cancelled.

Signals stay the engine's: while it stops, the interface goes on answering until it is cancelled.
Connections then get `GRACE_S` to end.
"""

import uvicorn

from engine.api.app import Interface
from engine.api.door import Door
from engine.api.guard import Guard
from engine.api.scene import Scene

GRACE_S = 2
MAX_CONNECTIONS = 128
"""At once; over it the answer is 503."""


async def serve(door: Door, scene: Scene) -> None:
    """Answer at a door until cancelled; then close it."""
    interface = Interface(scene)
    config = uvicorn.Config(
        Guard(app=interface.app, token=door.token, is_local=door.is_local),
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=GRACE_S,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    try:
        await server.startup(sockets=[door.listener])
        await server.main_loop()
    finally:
        await server.shutdown(sockets=[door.listener])
        await interface.close()
