"""Where records come from: the ring of a run, or another place that has some.

A source gives records by number, so a command needs to know no more of it. None of them takes a
lock or changes a byte.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from engine.commands.journals import JournalSource
from engine.wire import RunDir, WireError
from engine.wire.findings import Finding
from engine.wire.ring.cursor import Cursor
from engine.wire.ring.fsck import check_ring, ring_notes
from engine.wire.ring.view import RingView
from engine.wire.ring.walk import Found, Overtaken


class Source(Protocol):
    """Records in the order of their numbers."""

    path: Path

    @property
    def remedy(self) -> str:
        """What to do about damage."""
        ...

    def end_seq(self) -> int:
        """The number that the next record will have."""
        ...

    def records(self, *, first_seq: int | None, end_seq: int | None) -> Iterator[Found]:
        """What is there now of the records before `end_seq`, from `first_seq` or the oldest on.

        To go on where an earlier call came to an end costs nothing.
        """
        ...

    def newest(self, num: int) -> Iterator[Found]:
        """At least the newest `num` records that are there now, the newest last."""
        ...

    def findings(self) -> Iterator[Finding]:
        """What is wrong with it."""
        ...

    def notes(self) -> Iterator[str]:
        """What is worth knowing and not wrong."""
        ...


def open_source(*, run: Path, ring: str, source: Path | None) -> Source:
    """The source that the options of a command name. WireError, one sentence, if it is not there.

    `source` is a ring file or a journal's directory, anywhere; without it the ring named `ring` of
    the run.
    """
    if source is not None:
        return JournalSource(source) if source.is_dir() else RingSource(source)
    directory = existing_run(run)
    run_id = directory.read_run().run_id if directory.run_json.exists() else None
    return RingSource(ring_path(directory, ring), run_id=run_id)


def existing_run(path: Path) -> RunDir:
    """The run directory, which must be there. WireError if not."""
    if not path.is_dir():
        raise WireError(
            f"expected a run directory at {path}, found none; begin one with "
            f"`engine serve --run {path}`, or name another with --run"
        )
    return RunDir(path)


def ring_path(run: RunDir, name: str) -> Path:
    """The file of a ring of a run, there or not."""
    return run.ring.with_name(name.removesuffix(".bin") + ".bin")


class RingSource:
    """The records that no commit has freed yet; goes over to a ring that takes this one's place."""

    remedy: Final = (
        "`engine queue export` saves what is whole; then stop engine and trainer and delete the "
        "ring: the engine pushes again what was not committed"
    )

    def __init__(self, path: Path, *, run_id: bytes | None = None) -> None:
        """Open a ring; WireError if there is none."""
        self.path = path
        self._run_id = run_id
        self._view = RingView.open(path)
        self._place: Cursor | None = None

    def end_seq(self) -> int:
        self._renew()
        return self._view.stat().next_seq

    def records(self, *, first_seq: int | None, end_seq: int | None) -> Iterator[Found]:
        self._renew()
        is_next = self._place is not None and first_seq == self._place.seq
        walk = self._view.walk(start=self._place if is_next else None)
        if first_seq is not None and first_seq < walk.first.seq and not is_next:
            yield Overtaken(first_seq, min(walk.first.seq, end_seq or walk.first.seq))
        for found in walk:
            if isinstance(found, Overtaken):
                first, last = found.first_seq, found.end_seq - 1
            else:
                first = last = found.seq
            if end_seq is not None and first >= end_seq:
                return
            if first_seq is None or last >= first_seq:
                yield found
        self._place = walk.place

    def newest(self, num: int) -> Iterator[Found]:  # noqa: ARG002  # all that is there is little
        return self.records(first_seq=None, end_seq=None)

    def findings(self) -> Iterator[Finding]:
        return check_ring(self.path, run_id=self._run_id)

    def notes(self) -> Iterator[str]:
        return ring_notes(self.path)

    def _renew(self) -> None:
        try:
            is_same = self.path.stat().st_ino == self._view.inode
        except FileNotFoundError:
            return  # deleted, and not made anew yet: what it held can still be read
        if not is_same:
            self._view.close()
            self._view = RingView.open(self.path)
            self._place = None
