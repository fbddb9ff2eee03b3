"""Keeps the policy on the newest weights that the trainer has published.

For each new version: lease it, load it between two tokens, compare the checksum of the policy's
own tensors with the manifest, acknowledge, give the previous lease back. Waits on nothing but the
clock; a trainer that publishes nothing leaves the policy as it is.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import EngineError
from engine.policy.protocol import Policy
from engine.wire import Manifest, WireError, latest_version, lease, release, write_ack

POLL_S = 0.2
OWNER = "engine"

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class VersionFollower:
    """Loads published versions. One owner; `update` is not reentrant."""

    root: Path
    policy: Policy
    on_version: Callable[[Manifest], None]
    newest: Manifest | None = field(default=None, init=False)
    """The version the policy samples from, if it was published at all."""

    @property
    def consumed_seq(self) -> int:
        """Groups before this number are in the weights that are sampled from."""
        return 0 if self.newest is None else self.newest.consumed_seq

    async def follow(self) -> None:
        """Load every newest version until cancelled."""
        while True:
            await self.update()
            await asyncio.sleep(POLL_S)

    async def update(self) -> None:
        """Load the newest version if it is not loaded already."""
        manifest = latest_version(self.root)
        if manifest is None or self._has(manifest):
            return
        try:
            lease(self.root, manifest.version, OWNER)
        except WireError:
            return  # pruned between listing and leasing: a newer one is there, next time
        checksum = await self.policy.load(manifest.path, manifest.version)
        if checksum != manifest.checksum:
            if latest_version(self.root) != manifest:
                return  # replaced while it was read: next time
            raise EngineError(
                f"{manifest.path} should give tensors with checksum {manifest.checksum}, the "
                f"policy holds {checksum}; the file was changed after it was published"
            )
        write_ack(self.root, manifest.version, checksum)
        if self.newest is not None and self.newest.version != manifest.version:
            release(self.root, self.newest.version, OWNER)
        self.newest = manifest
        log.info("loaded version %d, checksum %s", manifest.version, checksum)
        self.on_version(manifest)

    def _has(self, manifest: Manifest) -> bool:
        if self.newest is None:
            return False
        return (manifest.version, manifest.checksum) == (self.newest.version, self.newest.checksum)
