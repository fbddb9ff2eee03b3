"""Tasks as a Parquet file: readable by pandas, `datasets` and another run (extra `parquet`).

A row is a task with its certificate and what was learned of it. A file is data of a stranger: what
is read from one is the text of a task and the gold that it claims, and the sandbox has to say the
same of it before it is a task here.
"""

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from engine.errors import EngineError
from engine.tasks.rows import Stored
from engine.tasks.task import Example, Origin, Task
from engine.wire.messages import Kind

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_WANTED = ("kind", "program", "message", "examples")
"""Columns that are read."""
ROWS = 1024
"""Tasks in memory at a time."""


def write_tasks(path: Path, tasks: Iterable[Stored]) -> int:
    """Write a file; it appears whole or not at all. Returns how many tasks it has."""
    pa = _pyarrow()
    from pyarrow.parquet import ParquetWriter

    schema = _schema()
    fresh = path.with_name(f".{path.name}.new")
    rows, num_tasks = map(_row, tasks), 0
    try:
        with ParquetWriter(fresh, schema, compression="zstd") as writer:
            while part := list(islice(rows, ROWS)):
                writer.write_table(pa.Table.from_pylist(part, schema=schema))
                num_tasks += len(part)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return num_tasks


def read_tasks(path: Path) -> Iterator[Task | None]:
    """The tasks of a file, uncertified, in order; None for a row that is none.

    EngineError at once for what is no file of tasks, later for one that ends in the middle.
    """
    pa = _pyarrow()
    from pyarrow.parquet import ParquetFile

    if not path.is_file():
        raise EngineError(f"expected a Parquet file at {path}, found none")
    try:
        file = ParquetFile(path)
    except pa.ArrowException as error:
        raise _unreadable(path, error) from None
    missing = sorted({*_WANTED} - {*file.schema_arrow.names})
    if missing:
        file.close()
        raise EngineError(
            f"expected the columns {', '.join(_WANTED)} in {path}, missing: "
            f"{', '.join(missing)}; `engine tasks export` writes them"
        )
    return _tasks(file, path)


def _tasks(file: "pq.ParquetFile", path: Path) -> Iterator[Task | None]:
    pa = _pyarrow()
    try:
        with file:
            for part in file.iter_batches(ROWS, columns=list(_WANTED)):
                yield from map(_task, part.to_pylist())
    except pa.ArrowException as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> EngineError:
    first = str(error).split("\n", 1)[0]
    return EngineError(f"{path} is not a readable Parquet file: {first}")


def _pyarrow() -> ModuleType:
    try:
        return import_module("pyarrow")
    except ImportError:
        raise EngineError(
            "Parquet files need pyarrow, not installed here; pip install 'kelvin-rl[parquet]'"
        ) from None


def _schema() -> "pa.Schema":
    pa = _pyarrow()
    example = pa.struct({"args": pa.string(), "gold": pa.binary(), "shown": pa.string()})
    return pa.schema(
        {
            "id": pa.string(),
            "kind": pa.string(),
            "program": pa.string(),
            "message": pa.string(),
            "examples": pa.list_(example),
            "normal_form": pa.string(),
            "shape": pa.string(),
            "behaviour": pa.string(),
            "certificate": pa.string(),
            "parents": pa.list_(pa.string()),
            "version": pa.int64(),
            "origin": pa.string(),
            "round": pa.int64(),
            "attempts": pa.int64(),
            "solved": pa.int64(),
        }
    )


def _row(stored: Stored) -> dict[str, object]:
    task = stored.task
    return {
        "id": task.id,
        "kind": task.kind.value,
        "program": task.program,
        "message": task.message,
        "examples": [
            {"args": each.args, "gold": each.gold, "shown": each.shown} for each in task.examples
        ],
        "normal_form": task.normal_form,
        "shape": task.shape,
        "behaviour": task.behaviour,
        "certificate": task.certificate,
        "parents": list(task.parents),
        "version": task.version,
        "origin": task.origin.value,
        "round": stored.round,
        "attempts": stored.attempts,
        "solved": stored.solved,
    }


def _task(row: Mapping[str, object]) -> Task | None:
    match row:
        case {
            "kind": str(kind),
            "program": str(program),
            "message": str(message),
            "examples": [_, *_] as examples,
        } if kind in set(Kind):
            found = [_example(each) for each in examples]
            known = tuple(example for example in found if example)
            if len(known) == len(found):
                return Task(
                    kind=Kind(kind),
                    program=program,
                    message=message,
                    examples=known,
                    origin=Origin.IMPORTED,
                )
    return None


def _example(fields: object) -> Example | None:
    match fields:
        case {"args": str(args), "gold": bytes(gold)}:
            return Example(args=args, gold=gold, shown="")
    return None
