"""Files that survive a kill: whole-file replacement, appended JSON lines, and a directory lock."""

import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from engine.wire.errors import WireError
from engine.wire.process import lock_holders

LOCK_PATIENCE_S = 60.0
_LOCK_POLL_S = 0.002
_TAIL_CHUNK = 1 << 16


def atomic_write(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace `path` by `data`: readers, and a reboot, see the old or the new, never a mixture.

    `mode` is the new file's, less what the umask takes away.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)  # a killed process of the same pid may have made it read-only
    try:
        with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_directory(path.parent)


def fsync_file(path: Path) -> None:
    """Make the contents of a file durable."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def fsync_directory(path: Path) -> None:
    """Make the names in `path` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def exclusive(directory: Path, *, patience_s: float = LOCK_PATIENCE_S) -> Iterator[None]:
    """Hold the directory's lock; waits for the short critical sections of other processes.

    Raises WireError, naming the holder, if one takes longer than `patience_s`: it is suspended.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline = time.monotonic() + patience_s
        while not _locked(descriptor):
            if time.monotonic() > deadline:
                holders = ", ".join(map(str, sorted(lock_holders(directory)))) or "unknown"
                raise WireError(
                    f"the lock of {directory} has been held for {patience_s:g} s by pid {holders}, "
                    f"which should take a moment; is it suspended? wake it: kill -CONT {holders}"
                )
            time.sleep(_LOCK_POLL_S)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def append_jsonl(path: Path, row: Mapping[str, object], *, fsync: bool = False) -> None:
    """Append one row; a torn last line, left by a kill in mid-write, is cut off first.

    One writer a file. With `fsync` the row is on disk when the call returns, and so is its file's
    name.
    """
    line = _line(row)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        _cut_torn_line(descriptor)
        written = os.write(descriptor, line)
        if written != len(line):
            raise WireError(f"{path}: wrote {written} of {len(line)} bytes; is the disk full?")
        if fsync:
            os.fsync(descriptor)
            if os.fstat(descriptor).st_size == written:  # the first row: the file may be new
                fsync_directory(path.parent)
    finally:
        os.close(descriptor)


def atomic_jsonl(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Replace the file by these rows, as `atomic_write` does."""
    atomic_write(path, b"".join(_line(row) for row in rows))


def read_jsonl(path: Path) -> list[dict[str, object]]:
    """All whole rows, [] without a file. A torn last line is ignored, others raise WireError."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    # Whatever follows the last newline is empty, or a line that was never finished.
    return [_parse_line(line, path=path, number=i + 1) for i, line in enumerate(lines[:-1])]


def last_jsonl(path: Path) -> dict[str, object] | None:
    """The last whole row, or None; reads the end of the file only, so rows are up to 64 KiB."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_CHUNK))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return None
    whole = [line for line in lines[:-1] if line]
    return _parse_line(whole[-1], path=path, number=-1) if whole else None


def load_object(path: Path) -> dict[str, object]:
    """The JSON object in a file. Raises FileNotFoundError, or WireError if it is not one."""
    try:
        loaded: object = json.loads(path.read_bytes())
    except ValueError as error:
        raise WireError(f"{path} must be JSON: {error}; delete it") from error
    if not isinstance(loaded, dict):
        raise WireError(f"{path} must be a JSON object, got {type(loaded).__name__}; delete it")
    return loaded


def _line(row: Mapping[str, object]) -> bytes:
    return json.dumps(row, separators=(",", ":"), allow_nan=True).encode() + b"\n"


def _parse_line(line: bytes, *, path: Path, number: int) -> dict[str, object]:
    try:
        row: object = json.loads(line)
    except ValueError as error:
        raise WireError(
            f"{path} line {number} must be JSON, got {line[:60]!r}; the file was damaged or "
            "edited: repair or remove that line"
        ) from error
    if not isinstance(row, dict):
        raise WireError(f"{path} line {number} must be a JSON object, got {line[:60]!r}")
    return row


def _cut_torn_line(descriptor: int) -> None:
    end = size = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - _TAIL_CHUNK)
        # The usual case ends here: one byte read, and it is the newline of the last row.
        if end == size and os.pread(descriptor, 1, size - 1) == b"\n":
            return
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end != size:
        os.ftruncate(descriptor, end)
