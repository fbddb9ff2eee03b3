"""The root of what this package raises."""


class PolicyError(Exception):
    """A model could not be found, loaded or run; the message says what was expected and seen."""


class RefusedWeights(PolicyError):  # noqa: N818  # named for what the caller gets
    """Files are torn, or not what was published: they may yet be; the old weights are in use."""
