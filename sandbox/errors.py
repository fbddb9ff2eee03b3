"""What breaks on our side. What a guest does is a Verdict, never an exception."""


class SandboxError(Exception):
    """Root of this package's errors."""


class SandboxUnavailable(SandboxError):  # noqa: N818 - a state of the host more than a slip
    """A layer that may not be missing is missing: the sandbox refuses to start."""
