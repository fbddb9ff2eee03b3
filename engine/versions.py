"""Keeps the policy on the newest weights that the trainer has published.

For each new version: lease it, have it staged and swapped in between two tokens, acknowledge the
checksum of the policy's *own* tensors, compare it with the manifest, give the previous lease back.
So a version is leased from before it is read until another one is in use.

Files that are damaged are refused before anything is swapped: the policy goes on with what it has,
the log names the tensor, and the version is tried again, for a newer one or a repair may come;
`GIVE_UP_S` later it is an error. Files of another model, and tensors that differ *after* the swap,
are one at once. An older version than the one in use is never loaded. Waits on nothing but the
clock; a trainer that publishes nothing leaves the policy as it is.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.errors import EngineError
from engine.policy.errors import RefusedWeights
from engine.policy.protocol import Policy
from engine.wire import Manifest, WireError, latest_version, lease, release, write_ack

POLL_S = 0.2
RETRY_S = 5.0
"""From one try of a refused version to the next: each reads all of its files."""
GIVE_UP_S = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    """A version that could not be loaded."""

    manifest: Manifest
    first: float
    """When it was first tried, on the monotonic clock."""
    last: float


@dataclass(slots=True, kw_only=True)
class VersionFollower:
    """Loads published versions. One owner; `update` is not reentrant."""

    root: Path
    policy: Policy
    ring: str
    """Name of the ring that this engine fills."""
    owner: str
    """This engine's name among the engines of the run."""
    on_version: Callable[[Manifest], None]
    now: Callable[[], float] = time.monotonic
    newest: Manifest | None = field(default=None, init=False)
    """The version the policy samples from, if it was published at all."""
    checksums: dict[int, str] = field(default_factory=dict, init=False)
    """Of the policy's own tensors, by version, for every version it was given."""
    _refusal: _Refusal | None = field(default=None, init=False)

    @property
    def consumed_seq(self) -> int:
        """Groups of this engine before this number are in the weights that are sampled from."""
        return 0 if self.newest is None else self.newest.consumed.get(self.ring, 0)

    async def follow(self) -> None:
        """Load every newest version until cancelled."""
        while True:
            await self.update()
            await asyncio.sleep(POLL_S)

    async def update(self) -> None:
        """Load the newest version if it is not loaded already.

        Raises EngineError if it cannot be loaded in `GIVE_UP_S`, or if the policy does not hold
        what it has loaded.
        """
        manifest = latest_version(self.root)
        if manifest is None or not self._is_due(manifest):
            return
        try:
            lease(self.root, manifest.version, self.owner)
        except WireError:
            return  # pruned between listing and leasing: a newer one is there, next time
        try:
            checksum = await self.policy.load(
                manifest.path, manifest.version, expected=manifest.tensors
            )
        except RefusedWeights as error:
            self._refuse(manifest, error)
        else:
            self._accept(manifest, checksum)

    def _is_due(self, manifest: Manifest) -> bool:
        if self._refusal and self._refusal.manifest == manifest:
            return self.now() >= self._refusal.last + RETRY_S
        if self.newest is None or manifest.version > self.newest.version:
            return True
        is_same = manifest.version == self.newest.version
        return is_same and manifest.checksum != self.newest.checksum

    def _accept(self, manifest: Manifest, checksum: str) -> None:
        write_ack(self.root, manifest.version, checksum=checksum, owner=self.owner)
        if checksum != manifest.checksum:
            raise EngineError(
                f"{manifest.path} was read whole and should give tensors with checksum "
                f"{manifest.checksum}, the policy holds {checksum}; its memory or its precision "
                "is not what it seems: start the engine again, on another device if it recurs"
            )
        if self.newest is not None and self.newest.version != manifest.version:
            release(self.root, self.newest.version, self.owner)
        self.newest, self._refusal = manifest, None
        self.checksums[manifest.version] = checksum
        log.info("loaded version %d, checksum %s", manifest.version, checksum)
        self.on_version(manifest)

    def _refuse(self, manifest: Manifest, error: RefusedWeights) -> None:
        if self.newest is None or self.newest.version != manifest.version:
            release(self.root, manifest.version, self.owner)
        if latest_version(self.root) != manifest:
            return  # replaced, or succeeded, while it was read: next time
        now, known = self.now(), self._refusal
        if known is None or known.manifest != manifest:
            known = _Refusal(manifest=manifest, first=now, last=now)
            log.error("version %d is refused: %s", manifest.version, error)
        self._refusal = replace(known, last=now)
        if now - known.first >= GIVE_UP_S:
            raise EngineError(
                f"{error} (tried for {now - known.first:.0f} s); delete {manifest.path} and start "
                "the trainer again, which publishes it anew"
            ) from error
