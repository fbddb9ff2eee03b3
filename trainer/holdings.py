"""What the engines hold, compared with what was published.

Every engine acknowledges the version it samples from with a checksum of its own tensors. An engine
that lives and holds other weights than the manifest of its version says is an error: its samples
are of a policy that nobody knows. One that is behind is only reported, for it may be slow, or
stopped, and its samples say how old they are. The dead are not asked.

A step done again may have replaced a version by other bits; an engine that still holds the former
ones, which the manifest remembers, is behind and not wrong.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from engine.wire import Ack, Manifest, TornVersion, read_acks, read_manifest
from engine.wire.manifest import version_name
from trainer.errors import TrainerError

FAR_BEHIND: Final = 2
"""Versions behind which an engine is named in the log, and again at each doubling."""

log = logging.getLogger(__name__)


class Holdings:
    """Reads acknowledgements; one a publisher."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._behind: dict[str, int] = {}
        self._said: dict[str, int] = {}

    @property
    def behind(self) -> Mapping[str, int]:
        """Versions that each live engine was behind at the last comparison, by its name."""
        return self._behind

    def compare(self, newest: Manifest) -> None:
        """Look at every live engine, `newest` just having been published.

        Raises TrainerError, naming it, if one holds other weights than its version's.
        """
        acks = [ack for ack in read_acks(self._root) if ack.is_alive]
        for ack in acks:
            self._check(ack)
        self._behind = {ack.owner: max(0, newest.version - ack.version) for ack in acks}
        for owner, behind in self._behind.items():
            self._say(owner, behind)

    def _check(self, ack: Ack) -> None:
        try:
            published = read_manifest(self._root / version_name(ack.version))
        except (FileNotFoundError, TornVersion):
            return  # the engine has moved on since, or there is nothing whole to compare with
        if ack.checksum in (published.checksum, *published.replaces):
            return
        raise TrainerError(
            f"engine {ack.owner} (pid {ack.process.pid}) samples from version {ack.version} and "
            f"should hold tensors with checksum {published.checksum}, holds {ack.checksum}; "
            f"{_advice(ack, published)}"
        )

    def _say(self, owner: str, behind: int) -> None:
        said = self._said.get(owner, 0)
        if behind < FAR_BEHIND:
            self._said.pop(owner, None)
        elif behind >= 2 * said:
            self._said[owner] = behind
            log.warning("engine %s is %d versions behind", owner, behind)


def _advice(ack: Ack, published: Manifest) -> str:
    return (
        f"stop it (kill {ack.process.pid}) and start it again; its log names the tensor. If that "
        "recurs, see whether it holds the model in a coarser precision than trainer.publish_dtype, "
        f"or whether {published.path} was changed by hand"
    )
