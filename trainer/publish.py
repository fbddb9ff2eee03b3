"""Weights on their way to the engine: version k is the policy after step k, 0 the initial one.

A step that is done again after a crash is published again. On CPU its bits are the same and nothing
happens. On a GPU they may differ in the last place; then the new weights replace the old under the
same number, which is said in the log: what was sampled meanwhile carries its own log-probabilities,
so the loss corrects for the difference as it does for any staleness.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from engine.wire import (
    Manifest,
    WireError,
    combine_checksums,
    publish_weights,
    read_manifest,
)
from trainer.config import TrainerConfig
from trainer.files import checksums, named_tensors, write_model
from trainer.learner import Learner

log = logging.getLogger(__name__)


class Publisher:
    """Publishes a learner's weights; one a run."""

    def __init__(self, root: Path, *, origin: Path, config: TrainerConfig) -> None:
        self._root = root
        self._origin = origin
        self._keep = config.keep_versions
        self._dtype = torch.bfloat16 if config.publish_dtype == "bfloat16" else torch.float32

    def checksums(self, learner: Learner) -> dict[str, str]:
        """Checksum by name of the tensors that `publish` would write now."""
        return checksums(self._tensors(learner))

    def publish(
        self, learner: Learner, *, next_seq: int, sums: Mapping[str, str], final: bool = False
    ) -> Manifest:
        """Publish the learner's weights, whose `checksums` are `sums`; durable on return."""
        self._withdraw_unlike(learner.step, checksum=combine_checksums(sums))

        def write(directory: Path) -> Mapping[str, str]:
            write_model(directory, self._tensors(learner), origin=self._origin)
            return sums

        return publish_weights(
            self._root,
            version=learner.step,
            step=learner.step,
            consumed_seq=next_seq,
            write=write,
            keep=self._keep,
            final=final,
        )

    def _tensors(self, learner: Learner) -> dict[str, Tensor]:
        return {name: t.to(self._dtype) for name, t in named_tensors(learner.model).items()}

    def _withdraw_unlike(self, version: int, *, checksum: str) -> None:
        """Take back a publication of this version that has other bits."""
        path = self._root / f"v{version:06d}"
        try:
            published = read_manifest(path)
        except (FileNotFoundError, WireError):
            return  # not there, or torn: publishing deals with both
        if published.checksum != checksum:
            log.warning(
                "step %d done again has other bits than before (%s, was %s): replacing version %d",
                version,
                checksum,
                published.checksum,
                version,
            )
            path.rename(self._root / f".trash-v{version:06d}")  # publishing sweeps it up
