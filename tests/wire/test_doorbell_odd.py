"""What lies under the doorbell's name and is no FIFO is named, and left as it is."""

import asyncio
import os

import pytest

from engine.wire import RingReader, RingWriter, WireError
from engine.wire.ring import layout
from engine.wire.ring.doorbell import Doorbell

RUN_ID = b"d" * 16
CAPACITY = 1 << 12
PATIENCE_S = 60.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ring-0.bin"


@pytest.fixture
def bell(path):
    return path.with_suffix(".bell")


def open_full(path):
    """A writer whose ring has no room left."""
    writer = RingWriter.open(path, capacity=CAPACITY, run_id=RUN_ID)
    while writer.try_push(bytes(CAPACITY // 8 - layout.RECORD_BYTES)) is not None:
        pass
    return writer


@pytest.mark.parametrize("kind", ["file", "directory", "link", "socket"])
def test_a_bell_that_is_no_fifo_is_named_and_nobody_holds_the_end(path, bell, kind, tmp_path):
    open_full(path).close()
    bell.unlink()
    match kind:
        case "file":
            bell.write_bytes(b"precious")
        case "directory":
            bell.mkdir()
        case "link":
            (tmp_path / "target").write_bytes(b"precious")
            bell.symlink_to(tmp_path / "target")
        case "socket":
            os.mknod(bell, 0o600 | 0o140000)
    for open_end in (
        lambda: RingWriter.open(path, capacity=CAPACITY, run_id=RUN_ID),
        lambda: RingReader.open(path, wait_s=0),
    ):
        with pytest.raises(WireError, match=f"{bell} must be a FIFO, is something else; delete it"):
            open_end()
    if kind in ("file", "link"):
        assert bell.read_bytes() == b"precious"
    bell.rmdir() if kind == "directory" else bell.unlink()
    RingWriter.open(path, capacity=CAPACITY, run_id=RUN_ID).close()
    RingReader.open(path, wait_s=0).close()


def test_a_bell_that_is_replaced_later_is_named_and_nothing_is_written_to_it(path, bell):
    async def main():
        for _ in range(3):
            with pytest.raises(WireError, match=f"{bell} must be a FIFO"):
                await writer.space(timeout_s=PATIENCE_S)
            with pytest.raises(WireError, match=f"{bell} must be a FIFO"):
                Doorbell(path).ring()
            with pytest.raises(WireError, match=f"{bell} must be a FIFO"):
                once.ring()

    writer = open_full(path)
    once = Doorbell(path)
    bell.unlink()
    bell.write_bytes(b"precious")
    asyncio.run(main())
    assert bell.read_bytes() == b"precious"
    writer.close()
