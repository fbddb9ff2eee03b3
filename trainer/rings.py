"""The rings of a run: one an engine, found as they appear, read fairly, kept with their journals.

queue/ring-0.bin, queue/ring-1.bin, ...      one stream each, in turns
journal/ring-0/, journal/ring-1/, ...        what was popped, unless `trainer.journal` is none
"""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from engine.wire import Record, RingReader, RunDir
from engine.wire.fanin import FanIn
from engine.wire.journal import JournalWriter, Sync
from engine.wire.stream import RecordStream
from trainer.config import TrainerConfig
from trainer.errors import TrainerError
from trainer.signals import StopFlag

LOOK_EVERY_S: Final = 1.0
"""How often new rings are looked for, and ends are tended."""
RING_WAIT_S: Final = 0.5

log = logging.getLogger(__name__)

Cursors = dict[str, int]
"""By ring name: the first record that no step has used. A ring that is not in it begins at 0."""


class Rings:
    """All streams of a run. One thread of one process."""

    def __init__(self, run: RunDir, config: TrainerConfig, *, cursors: Mapping[str, int]) -> None:
        self._run, self._config = run, config
        self._run_id = run.read_run().run_id
        self._cursors = cursors
        self._streams: dict[str, RecordStream] = {}
        self._fan_in = FanIn()
        self._looked_s = 0.0

    @property
    def is_closed(self) -> bool:
        """Every engine has said that nothing more comes, and none was waited for in vain."""
        return all(stream.is_closed for stream in self._streams.values())

    def is_ring_closed(self, name: str) -> bool:
        """Its engine has said that nothing more comes; of a ring that is not there: all have."""
        stream = self._streams.get(name)
        return self.is_closed if stream is None else stream.is_closed

    @property
    def depth(self) -> int:
        """Records in all rings that are still to be popped."""
        return sum(stream.depth for stream in self._streams.values())

    @property
    def waiting_bytes(self) -> int | None:
        """Bytes that may wait for a checkpoint; None with a journal: then none have to."""
        if any(stream.has_journal for stream in self._streams.values()):
            return None
        return min(stream.capacity for stream in self._streams.values())

    @property
    def engines(self) -> str:
        """What has become of the engines, in words."""
        return ", ".join(f"{name} {s.writer_alive.value}" for name, s in self._streams.items())

    def pop(self, *, timeout_s: float) -> tuple[str, Record] | None:
        """The next record of any ring, in fair turns, and the ring's name."""
        return self._fan_in.pop(timeout_s=timeout_s)

    def pop_from(self, name: str, *, timeout_s: float) -> Record | None:
        """The next record of one ring; None also while that ring does not exist."""
        stream = self._streams.get(name)
        if stream is None:
            time.sleep(min(timeout_s, RING_WAIT_S))
            return None
        return stream.pop(timeout_s=timeout_s)

    def tend(self) -> None:
        """Show that this end lives, sync journals, find new rings; cheap, call it often."""
        now = time.monotonic()
        if now - self._looked_s < LOOK_EVERY_S:
            return
        self._looked_s = now
        for stream in self._streams.values():
            stream.tend()
        self._find()

    def covered(self, cursors: Mapping[str, int], *, oldest: Mapping[str, int]) -> None:
        """The newest durable checkpoint has all before `cursors`, the oldest that before `oldest`.

        A ring that is not in `oldest` was not read yet when that one was written.
        """
        for name, seq in cursors.items():
            if name in self._streams:
                self._streams[name].covered(seq, keep_from=oldest.get(name, 0))

    def close(self) -> None:
        """Let go of all rings and journals."""
        with ExitStack() as stack:  # the others too, if one cannot
            for stream in self._streams.values():
                stack.callback(stream.close)

    def _find(self) -> None:
        for path in self._run.rings():
            if path.stem not in self._streams:
                self._streams[path.stem] = stream = self._opened(path)
                self._fan_in.add(stream)
                log.info("reading %s from record %d", path.stem, stream.next_seq)

    def _opened(self, path: Path) -> RecordStream:
        reader = RingReader.open(path, wait_s=RING_WAIT_S)
        try:
            if reader.run_id != self._run_id:
                raise TrainerError(
                    f"{path} belongs to run {reader.run_id.hex()}, {self._run.run_json} is run "
                    f"{self._run_id.hex()}; one of them was copied here: put it back"
                )
            stream = RecordStream(reader, self._journal(path.stem))
        except BaseException:
            reader.close()
            raise
        try:
            stream.seek(self._cursors.get(stream.name, 0))
        except BaseException:
            stream.close()
            raise
        return stream

    def _journal(self, name: str) -> JournalWriter | None:
        sync = Sync(self._config.journal)
        if sync is Sync.NONE:
            return None
        return JournalWriter.open(
            self._run.journal / name,
            run_id=self._run_id,
            sync=sync,
            keep_bytes=int(self._config.journal_gb * 1e9),
            compress=self._config.journal_codec == "zstd",
        )


@contextmanager
def open_rings(
    run: RunDir, config: TrainerConfig, *, cursors: Mapping[str, int], stop: StopFlag
) -> Iterator[Rings]:
    """The rings of a run; waits for an engine to create the first, or for a request to stop."""
    if not run.rings():
        log.info("waiting for an engine to create %s", run.ring)
    while not run.rings():
        stop.check()
        time.sleep(RING_WAIT_S)
    rings = Rings(run, config, cursors=cursors)
    try:
        rings.tend()
        yield rings
    finally:
        rings.close()
