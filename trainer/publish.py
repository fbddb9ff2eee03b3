"""Weights on their way to the engines: version k is the policy after step k, 0 the initial one.

A step that is done again after a crash is published again. On CPU its bits are the same and nothing
happens. On a GPU they may differ in the last place; then the new weights replace the old under the
same number, which is said in the log: what was sampled meanwhile carries its own log-probabilities,
so the loss corrects for the difference as it does for any staleness.

After each publish the engines' acknowledgements are compared with what was published
(`trainer.holdings`).
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from engine.wire import Manifest, publish_weights
from trainer.config import TrainerConfig
from trainer.files import checksums, named_tensors, write_model
from trainer.holdings import Holdings
from trainer.learner import Learner


class Publisher:
    """Publishes a learner's weights; one a run."""

    def __init__(self, root: Path, *, origin: Path, config: TrainerConfig) -> None:
        self._root = root
        self._origin = origin
        self._keep = config.keep_versions
        self._holdings = Holdings(root)
        self._dtype = torch.bfloat16 if config.publish_dtype == "bfloat16" else torch.float32

    def checksums(self, learner: Learner) -> dict[str, str]:
        """Checksum by name of the tensors that `publish` would write now."""
        return checksums(self._tensors(learner))

    @property
    def behind(self) -> Mapping[str, int]:
        """Versions that each live engine was behind when the last one was published."""
        return self._holdings.behind

    def publish(
        self,
        learner: Learner,
        *,
        consumed: Mapping[str, int],
        sums: Mapping[str, str],
        final: bool = False,
    ) -> Manifest:
        """Publish the learner's weights, whose `checksums` are `sums`; durable on return.

        `consumed` counts the records behind them, by ring. Raises WireError if the disk is full
        or fails, TrainerError if an engine holds other weights than were published.
        """

        def write(directory: Path) -> Mapping[str, str]:
            write_model(directory, self._tensors(learner), origin=self._origin)
            return sums

        published = publish_weights(
            self._root,
            version=learner.step,
            step=learner.step,
            consumed=consumed,
            write=write,
            keep=self._keep,
            final=final,
            may_replace=True,
        )
        self._holdings.compare(published)
        return published

    def _tensors(self, learner: Learner) -> dict[str, Tensor]:
        return {name: t.to(self._dtype) for name, t in named_tensors(learner.model).items()}
