"""A trainer that waits for records tells how many it has and needs."""

import pytest

from engine.wire import RingReader, RingWriter, RunDir, encode_group
from engine.wire.waits import Waits, read_wait, wait_file
from trainer.config import TrainerConfig
from trainer.intake import Intake
from trainer.metrics import PhaseClock


class Told(Exception):  # noqa: N818  # no error
    """The wait has been told: stop waiting."""


class OneRing:
    """A source of the records of one ring."""

    is_closed = False
    engines = "ring-0: alive"

    def __init__(self, reader):
        self.reader = reader

    def pop(self, *, timeout_s):
        record = self.reader.pop(timeout_s=timeout_s / 100)
        return None if record is None else ("ring-0", record)


def test_a_trainer_that_waits_for_rollouts_tells_how_many_it_has(tmp_path, make_group):
    run = RunDir(tmp_path / "run").create()
    writer = RingWriter.open(run.ring, capacity=1 << 16, run_id=bytes(16))
    writer.try_push(encode_group(make_group(0, num_rollouts=3)))
    reader = RingReader.open(run.ring, wait_s=0)
    told = wait_file(run.path, "trainer")

    def until_told():
        if read_wait(told) is not None:
            raise Told

    intake = Intake(
        OneRing(reader),
        TrainerConfig(batch_samples=8, min_batch_samples=4),
        vocab_size=1000,
        batch_bytes=1 << 20,
        between_polls=until_told,
        quarantine=run.quarantine,
        waits=Waits(told),
    )
    with pytest.raises(Told):
        intake.next_batch({}, clock=PhaseClock())
    wait = read_wait(told)
    assert (wait.what, wait.on) == ("rollouts (3 of 8 for the next step)", "engine")
