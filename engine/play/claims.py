"""Which of several equal proposals is the task: the first in the run's order, whoever is faster.

Proposals are certified in any order. Each then claims its marks (what two equal tasks have in
common) with its place: round, prompt, index. A mark that is stored, or held from an earlier place,
makes it a duplicate; one that is held from a later place is taken over, and the later proposal is
the duplicate, though it may have been attempted by then. So what is admitted does not depend on who
was certified first, and a run that is killed and resumed admits the same.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

Place = tuple[int, int, int]
"""Round, prompt and index of a proposal."""
Mark = tuple[str, str, str]
"""The kind of task, the kind of sameness, and the value."""


@dataclass(frozen=True, slots=True)
class _Holder:
    place: Place
    on_lost: Callable[[], None]


@dataclass(slots=True)
class Claims:
    """Marks of proposals that are under way."""

    _holders: dict[Mark, _Holder] = field(default_factory=dict, init=False)

    def claim(self, marks: Collection[Mark], place: Place, on_lost: Callable[[], None]) -> bool:
        """Hold all of these marks; False if an earlier place holds one.

        `on_lost` is called, once, should an earlier place take one of them over later.
        """
        held = [self._holders[mark] for mark in marks if mark in self._holders]
        if any(holder.place < place for holder in held):
            return False
        for holder in held:
            self._drop(holder)
        mine = _Holder(place, on_lost)
        self._holders.update(dict.fromkeys(marks, mine))
        return True

    def holds(self, place: Place) -> bool:
        """Whether this place holds what it claimed."""
        return any(holder.place == place for holder in self._holders.values())

    def release(self, place: Place) -> None:
        """Give up what a place holds: the task is stored by now, or never will be."""
        self._holders = {m: holder for m, holder in self._holders.items() if holder.place != place}

    def _drop(self, loser: _Holder) -> None:
        if loser in self._holders.values():
            self.release(loser.place)
            loser.on_lost()

    def __len__(self) -> int:
        return len(self._holders)
