"""What engines hold is compared with what was published, end to end: trainer, files, engine."""

import asyncio
import os
import subprocess
import sys

import pytest
from safetensors import SafetensorError

from engine.errors import EngineError
from engine.policy.scripted import ScriptedPolicy
from engine.versions import VersionFollower
from engine.wire import (
    WireError,
    combine_checksums,
    latest_version,
    read_acks,
    tensor_checksum,
    versions,
)
from trainer.config import TrainerConfig
from trainer.errors import TrainerError
from trainer.learner import Learner
from trainer.model import load_model, pick_device
from trainer.publish import Publisher


@pytest.fixture
def learner(model_directory):
    return Learner(
        model=load_model(model_directory, device=pick_device("cpu")),
        config=TrainerConfig(threads=1),
    )


@pytest.fixture
def publish(learner, model_directory, tmp_path):
    """Publish the learner's next version; its step is nothing but a small change."""
    publisher = Publisher(tmp_path, origin=model_directory, config=learner.config)

    def publish_next(step=None, *, by=0.5):
        learner.step = learner.step + 1 if step is None else step
        next(iter(learner.model.parameters())).data += by
        sums = publisher.checksums(learner)
        return publisher.publish(learner, consumed={"ring-0": 10 * learner.step}, sums=sums)

    publish_next.publisher = publisher
    return publish_next


class Corrupting(ScriptedPolicy):
    """Reads whole files and holds one wrong tensor, as bad memory would make it."""

    async def load(self, directory, version, *, expected=None):
        await super().load(directory, version, expected=expected)
        wrong = max(expected)
        return combine_checksums({**expected, wrong: tensor_checksum(b"other bits")})


def follower(root, policy=None, *, owner="engine-0"):
    return VersionFollower(
        root=root,
        policy=policy or ScriptedPolicy({}),
        ring="ring-0",
        owner=owner,
        on_version=lambda _: None,
    )


def test_an_engine_that_holds_what_was_published_is_no_news(publish, tmp_path, caplog):
    engine = follower(tmp_path)
    for _ in range(3):
        publish()
        asyncio.run(engine.update())
    assert publish.publisher.behind == {"engine-0": 1}
    assert engine.consumed_seq == 30
    assert caplog.records == []


def test_one_wrong_tensor_in_an_engine_ends_the_trainer_with_all_that_is_known(publish, tmp_path):
    published = publish()
    asyncio.run(follower(tmp_path).update())
    with pytest.raises(EngineError):  # the engine itself ends, too; another kind might not
        asyncio.run(follower(tmp_path, Corrupting({}), owner="engine-1").update())
    wrong = {ack.owner: ack.checksum for ack in read_acks(tmp_path)}["engine-1"]
    assert wrong != published.checksum
    told = (
        rf"engine engine-1 \(pid {os.getpid()}\) samples from version 1 .*{published.checksum}, "
        rf"holds {wrong}; stop it .*publish_dtype"
    )
    with pytest.raises(TrainerError, match=told):
        publish()
    assert latest_version(tmp_path).version == 2, "the step is published all the same"


def test_the_dead_are_not_asked(publish, tmp_path):
    publish()
    source = """if True:
        import sys
        from pathlib import Path
        from engine.wire import write_ack
        write_ack(Path(sys.argv[1]), 1, checksum="0" * 32, owner="engine-0")
    """
    subprocess.run([sys.executable, "-c", source, str(tmp_path)], check=True)
    publish()
    assert publish.publisher.behind == {}


def test_an_engine_that_is_behind_is_named_at_2_4_8_versions_and_no_error(
    publish, tmp_path, caplog
):
    engines = [follower(tmp_path, owner=f"engine-{number}") for number in range(2)]
    publish()
    for engine in engines:
        asyncio.run(engine.update())
    for _ in range(9):
        publish()
        asyncio.run(engines[0].update())
    assert publish.publisher.behind == {"engine-0": 1, "engine-1": 9}
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"engine engine-1 is {n} versions behind" for n in (2, 4, 8)]
    assert versions(tmp_path) == (1, 9, 10), "what it samples from is not deleted"
    asyncio.run(engines[1].update())
    publish()
    assert publish.publisher.behind["engine-1"] == 1


def test_an_engine_on_the_former_bits_of_a_redone_step_is_behind_and_not_wrong(publish, tmp_path):
    publish()
    asyncio.run(follower(tmp_path).update())
    redone = publish(step=1, by=0.25)
    assert len(redone.replaces) == 1
    publish()
    assert publish.publisher.behind == {"engine-0": 1}


def test_a_disk_that_is_full_is_told_in_a_sentence_although_safetensors_hides_it(
    publish, tmp_path, monkeypatch
):
    publish()

    def meet_the_end(tensors, path, metadata):
        path.write_bytes(b"half")
        raise SafetensorError(
            "Error while serializing: I/O error: No space left on device (os error 28)"
        )

    monkeypatch.setattr("trainer.files.save_file", meet_the_end)
    with pytest.raises(WireError, match=r"version 2 was not published.*the disk is full"):
        publish()
    assert [entry.name for entry in tmp_path.iterdir()] == ["v000001"]
