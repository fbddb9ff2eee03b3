"""The root of what this package raises."""


class PolicyError(Exception):
    """A model could not be found, loaded or run; the message says what was expected and seen."""
