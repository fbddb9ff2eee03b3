"""The engine's own failures."""


class EngineError(Exception):
    """Something the user must act on: expected, seen, what to do."""
