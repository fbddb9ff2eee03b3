"""What can go wrong on the wire: one root, and a leaf for each case somebody handles."""


class WireError(Exception):
    """The contract between engine and trainer is broken; says what was expected, seen, to do."""


class QuarantinedRecord(WireError):  # noqa: N818  # named for what the caller gets
    """A whole record whose content is not what its schema promises; `field` names the culprit.

    The record is intact, so skipping it is safe: the caller keeps the bytes for a post-mortem.
    """

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class CorruptRecord(WireError):  # noqa: N818  # named for what the caller gets
    """Bytes in the ring are not the record that must be there; nothing after them is readable."""

    def __init__(self, message: str, *, offset: int, seq: int, epoch: int) -> None:
        super().__init__(message)
        self.offset = offset
        self.seq = seq
        self.epoch = epoch


class TornVersion(WireError):  # noqa: N818  # named for what the caller gets
    """A directory has a version's name and is not whole; the message says in what.

    No publish leaves one behind: a copy was cut short, or something changed the files since.
    """
