"""The one root of what the trainer raises."""


class TrainerError(Exception):
    """The run cannot go on; says what was expected, what was seen and what to do."""
