"""The HTTP interface of a running engine: `engine serve --api HOST:PORT`.

    GET /health       that the engine's loop answers, and what it does; needs no token
    GET /metrics      counters for Prometheus
    GET /status       what `engine status` knows
    GET /tasks        tasks, newest first, by page and filter
    GET /tasks/ID     what `engine explain` knows of one
    POST /run_code    a program and argument lists to an outcome

It runs in the engine's own event loop, so that an answer is a sign of life, and touches nothing of
self-play: files and the task store are read by threads over connections of their own, and programs
of callers run in a pool of their own (`run_code`). It is off unless asked for, listens on the
loopback unless told otherwise, and off the loopback it wants a bearer token (`door`, `guard`).
"""
