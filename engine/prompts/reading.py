"""What every reader of a completion keeps: the text so far, and what it has come to."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from engine.prompts.forms import Malformed, Rendered

T = TypeVar("T")


@dataclass(slots=True)
class Reading(Generic[T]):
    """One completion being read: open, then found or hopeless, and from then on unchanged."""

    prompt: Rendered
    found: T | None = field(default=None, init=False)
    hopeless: str | None = field(default=None, init=False)

    @property
    def is_open(self) -> bool:
        """Whether what follows may still matter."""
        return self.found is None and self.hopeless is None

    def result(self) -> T | Malformed:
        """What the text amounts to if nothing follows."""
        if self.hopeless is not None:
            return Malformed(self.hopeless)
        return self.found if self.found is not None else self._parse()

    def _settle(self, found: T | Malformed) -> None:
        """Nothing that follows changes this any more."""
        if isinstance(found, Malformed):
            self.hopeless = found.reason
        else:
            self.found = found

    def _parse(self) -> T | Malformed:
        """Read the text as it is."""
        raise NotImplementedError
