"""`engine queue export`: records as a file that other programs read."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from engine.commands.places import DEFAULT_RING, DEFAULT_RUN
from engine.errors import EngineError

if TYPE_CHECKING:
    from engine.observe.records import Row
    from engine.wire.ring.walk import Found

SAY_EVERY_S: Final = 1.0
FORMATS: Final = (".jsonl", ".msgpack")


def export(
    out: Path,
    /,
    *,
    run: Path = DEFAULT_RUN,
    ring: str = DEFAULT_RING,
    source: Path | None = None,
    from_seq: int | None = None,
    to_seq: int | None = None,
) -> int:
    """Write the records of the queue to a file, decoded: every field, arrays as lists.

    A record that holds no group, or is damaged, is written as its error; exit code 1 if any was
    damaged or had left the ring. The file appears whole or not at all.

    Example: engine queue export groups.jsonl --run runs/first --from-seq 100 --to-seq 200

    Parameters
    ----------
    out
        The file: NAME.jsonl for a JSON object a line, NAME.msgpack for a msgpack map each.
    run
        The run directory.
    ring
        Which of its rings: the name of a file in queue/.
    source
        A ring file or a journal's directory anywhere, instead of a run's ring.
    from_seq
        The first record; without it the oldest that is there.
    to_seq
        The record before which to stop, as in the rows of steps.jsonl; without it the newest.
    """
    from engine.commands.sources import open_source

    packed = _packer(out)
    place = open_source(run=run, ring=ring, source=source)
    found = place.records(first_seq=from_seq, end_seq=to_seq)
    return _write(found, out=out, packed=packed)


def _write(found: "Iterator[Found]", *, out: Path, packed: "Callable[[Row], bytes]") -> int:
    from engine.observe.records import row
    from engine.wire import Record

    progress, num_lost, num_errors = _Progress(), 0, 0
    with _appearing(out) as file:
        for each in found:
            fields = row(each)
            progress.add(file.write(packed(fields)))
            num_lost += not isinstance(each, Record)
            num_errors += "error" in fields
    errors = f", {num_errors} of them as errors" if num_errors else ""
    print(f"{out}: {progress.text()}{errors}", file=sys.stderr)
    return 1 if num_lost else 0


def _packer(out: Path) -> "Callable[[Row], bytes]":
    """How a row becomes bytes in a file of that name."""
    import msgpack  # type: ignore[import-untyped]  # ships no types

    if out.suffix not in FORMATS:
        raise EngineError(f"expected OUT to end in {' or '.join(FORMATS)}, got {out.name}")
    if out.suffix == ".msgpack":
        packer = msgpack.Packer()
        pack: Callable[[Row], bytes] = packer.pack
        return pack
    return lambda fields: json.dumps(fields, separators=(",", ":")).encode() + b"\n"


@contextmanager
def _appearing(out: Path) -> Iterator[BinaryIO]:
    """A file that has its name only once it is whole and on disk."""
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(out)
    except OSError as error:
        raise EngineError(f"cannot write {out}: {error}; name a place that can be") from error
    finally:
        temporary.unlink(missing_ok=True)


class _Progress:
    """How much is done, said now and then on standard error."""

    def __init__(self) -> None:
        self._num = 0
        self._bytes = 0
        self._said = time.monotonic()

    def add(self, num_bytes: int) -> None:
        """One more row."""
        self._num += 1
        self._bytes += num_bytes
        if time.monotonic() - self._said > SAY_EVERY_S:
            self._said = time.monotonic()
            print(f"{self.text()} so far", file=sys.stderr)

    def text(self) -> str:
        """How much is done."""
        from engine.observe import quantities

        return f"{quantities.count(self._num, 'record')}, {quantities.size(self._bytes)}"
