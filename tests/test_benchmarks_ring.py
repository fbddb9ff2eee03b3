"""The ring's benchmark: everyone delivers, and what is not delivered as sent is noticed."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import chart, formats, peers, ring, sides, streams, targets
from benchmarks.channels import Channel, PipeChannel, Plan, Send
from benchmarks.pair import Pair
from benchmarks.sides import Asking, Echoing, Receiving, Sending, WrongMessageError
from benchmarks.slots import SlotChannel

SIZE = 256
TINY = ["--rounds", "1", "--seconds", "0.01", "--round-trips", "20"]


@pytest.fixture(autouse=True)
def from_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])


def plan(directory: Path, use: str = "test") -> Plan:
    return Plan(size=SIZE, directory=directory, use=use)


def run(tmp_path: Path, *arguments: str) -> dict[str, object]:
    file = tmp_path / "report.json"
    ring.main([*TINY, *arguments, "--json", str(file)])
    return json.loads(file.read_text())


@dataclass(frozen=True, kw_only=True)
class Scripted(Channel):
    """Delivers what it is made with, whatever was sent."""

    delivered: Sequence[bytes]

    @contextmanager
    def sending(self) -> Iterator[Send]:
        yield lambda _messages: None

    @contextmanager
    def receiving(self) -> Iterator[Iterator[bytes]]:
        yield iter(self.delivered)


# -- what is delivered ----------------------------------------------------------------------------


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda peer: peer.key)
def test_every_peer_delivers_every_message_in_order(peer, tmp_path):
    if peer.missing():
        pytest.skip(peer.missing())
    with streams.streaming(peer, SIZE, tmp_path) as pair:
        for count in (1, 40, 1500):  # the last one overfills the channel
            played = pair.play(count)
            assert played.num_messages == count
            assert len(played.seconds) == 2
            assert played.messages_per_s > 0
            assert played.cpu_s > 0


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda peer: peer.key)
def test_every_peer_takes_a_message_that_is_larger_than_its_buffers(peer, tmp_path):
    if peer.missing():
        pytest.skip(peer.missing())
    with streams.streaming(peer, 1 << 22, tmp_path) as pair:
        assert pair.play(20).messages_per_s > 0


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda peer: peer.key)
def test_every_peer_brings_every_message_back(peer, tmp_path):
    if peer.missing():
        pytest.skip(peer.missing())
    with streams.pinging(peer, tmp_path) as pair:
        assert len(pair.play(30).seconds) == 30


# -- what is noticed ------------------------------------------------------------------------------


def altered(message: bytes, *, at: int) -> bytes:
    return message[:at] + bytes([message[at] ^ 1]) + message[at + 1 :]


def wrongs() -> dict[str, list[bytes]]:
    good = sides.deck(SIZE)[:8]
    return {
        "the first is altered": [altered(good[0], at=100), *good[1:]],
        "one is altered at its end": [*good[:4], altered(good[4], at=SIZE - 1), *good[5:]],
        "one is cut": [*good[:4], good[4][:-1], *good[5:]],
        "one is missing": [*good[:4], *good[5:]],
        "one is doubled": [*good[:4], *good[3:]],
        "two are swapped": [*good[:3], good[4], good[3], *good[5:]],
        "the first is missing": good[1:],
    }


@pytest.mark.parametrize("delivered", wrongs().values(), ids=wrongs())
@pytest.mark.parametrize("side", ["receiving", "asking"])
def test_a_message_that_is_not_the_one_that_was_sent_is_noticed(side, delivered):
    channel = Scripted(delivered=delivered)
    receiving = Receiving(channel=channel, size=SIZE)
    asking = Asking(there=channel, back=channel, size=SIZE)
    with (
        (receiving if side == "receiving" else asking).opened() as play,
        pytest.raises(WrongMessageError, match=r"expected message \d of 256 bytes"),
    ):
        play(7)


def test_the_same_messages_as_sent_are_right():
    with Receiving(channel=Scripted(delivered=sides.deck(SIZE)), size=SIZE).opened() as play:
        play(100)


def test_a_wrong_message_ends_the_play_and_names_the_peer(tmp_path):
    channel = PipeChannel.open(plan(tmp_path))
    both = (Sending(channel=channel, size=SIZE), Receiving(channel=channel, size=2 * SIZE))
    with Pair("a pipe", both) as pair:
        channel.close()
        with pytest.raises(WrongMessageError, match=r"a pipe: expected .* got 256 bytes"):
            pair.play(10)


def test_a_message_that_does_not_come_ends_the_play_and_names_the_peer(tmp_path):
    channel, silent = PipeChannel.open(plan(tmp_path)), PipeChannel.open(plan(tmp_path))
    both = (Echoing(there=silent, back=channel), Receiving(channel=channel, size=SIZE))
    with (
        Pair("a pipe", both, patience_s=2.0) as pair,
        pytest.raises(WrongMessageError, match=r"a pipe: nothing within 2 s; .* missing"),
    ):
        pair.play(10)
    channel.close()
    silent.close()


def test_a_process_that_dies_ends_the_play_and_names_the_peer(tmp_path):
    channel = SlotChannel(path=tmp_path / "missing", slot_bytes=512, num_slots=2)
    both = (Sending(channel=channel, size=SIZE), Receiving(channel=channel, size=SIZE))
    with (
        Pair("some slots", both) as pair,
        pytest.raises(WrongMessageError, match="some slots: a process of it has died"),
    ):
        pair.play(10)


# -- codecs ---------------------------------------------------------------------------------------


def every_codec() -> list[formats.Codec]:
    return formats.codecs()[0]


def test_the_batch_is_the_same_each_time_and_as_large_as_it_says():
    groups, again = formats.batch(), formats.batch()
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    assert len(rollouts) == 128
    assert sum(len(rollout.tokens) for rollout in rollouts) == formats.NUM_TOKENS
    assert min(len(rollout.tokens) for rollout in rollouts) > 50
    for (tokens, logprobs), (tokens_2, logprobs_2) in zip(
        formats.arrays_of(groups), formats.arrays_of(again), strict=True
    ):
        assert np.array_equal(tokens, tokens_2)
        assert np.array_equal(logprobs, logprobs_2)


@pytest.mark.parametrize("codec", every_codec(), ids=lambda codec: codec.key)
def test_every_codec_returns_the_batch_to_the_bit(codec):
    groups = formats.batch()
    formats.check(codec, codec.encode(codec.prepare(groups)), groups)


@pytest.mark.parametrize("change", [lambda a: a[:-1], lambda a: a + 1, lambda a: a.astype("i8")])
def test_a_codec_that_alters_the_batch_is_noticed(change):
    groups, wire = formats.batch(), every_codec()[0]

    def decode(records: list[bytes]) -> formats.Arrays:
        first, *others = wire.decode(records)
        return [(change(first[0]), first[1]), *others]

    with pytest.raises(ValueError, match=r"kelvin.*does not come back"):
        formats.check(replace(wire, decode=decode), wire.encode(groups), groups)


# -- the command ----------------------------------------------------------------------------------


def test_a_run_reports_its_command_its_host_and_a_row_for_each_peer(tmp_path, capsys):
    keys = ["ring", "ring-batch", "queue"]
    report = run(tmp_path, "--sizes", "4096", "--peers", *keys)
    assert report["command"].startswith("python -m benchmarks.ring --rounds 1")
    assert {"date", "cpu", "kernel", "python", "cpus", "load_1m"} <= set(report["host"])
    rows = report["stream"]
    assert [(row["size"], row["peer"]) for row in rows] == [(4096, key) for key in keys]
    for row in rows:
        assert 0 < row["low"] <= row["messages_per_s"] <= row["high"]
        assert row["cpu_us"] > 0
        assert row["checks"] == row["peer"].startswith("ring")
    assert [row["ring_ratio"] for row in rows if row["peer"] == "ring"] == [1.0]
    assert [row["batch_ratio"] for row in rows if row["peer"] == "ring-batch"] == [1.0]
    assert [row["peer"] for row in report["latency"]] == keys
    for row in report["latency"]:
        assert 0 < row["p50_us"] <= row["p99_us"] <= row["max_us"]
    assert {"wire", "json", "pickle", "pickle-arrays", "msgpack"} <= {
        row["key"] for row in report["codec"]
    }
    said = capsys.readouterr().out
    assert "| 4,096 | multiprocessing.Queue | no |" in said
    assert "ring / multiprocessing.Queue, messages/s at 4 KiB" in said


def test_who_is_not_installed_is_named_with_the_reason(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda _name: None)
    report = run(tmp_path, "--sizes", "64", "--peers", "pipe", "zmq", "zmq-view")
    assert set(report["absent"]) >= {"ZeroMQ PUSH/PULL", "ZeroMQ, copy=False"}
    assert [row["peer"] for row in report["stream"]] == ["pipe"]
    assert [row["ring_ratio"] for row in report["stream"]] == [None]
    assert "ZeroMQ PUSH/PULL: not run: no package zmq" in capsys.readouterr().out


def test_slots_take_no_part_where_stores_may_be_seen_out_of_order(monkeypatch):
    monkeypatch.setattr(peers.platform, "machine", lambda: "aarch64")
    slots = next(peer for peer in peers.PEERS if peer.key == "slots")
    assert "fences" in slots.missing()


def test_a_target_is_met_on_the_right_side_of_its_bound():
    floor = targets.Target(what="rate", seen=2.0, bound=2.0, is_floor=True)
    assert floor.is_met
    assert not replace(floor, seen=1.9).is_met
    assert not replace(floor, seen=2.1, is_floor=False).is_met


def test_a_ring_has_room_for_more_than_is_held_between_two_commits():
    for size in ring.SIZES:
        capacity = peers.capacity_at(size)
        assert size <= capacity // 8  # the ring's longest payload
        assert capacity & (capacity - 1) == 0


def test_the_chart_says_what_it_did(tmp_path):
    pytest.importorskip("matplotlib")
    host = {"date": "2026", "machine": "x", "kernel": "6", "python": "3.11", "cpus": 2}
    cells = [
        {"size": 4096, "peer": key, "cpu_us": 1.0, "messages_per_s": 2.0} for key in ("ring", "zmq")
    ]
    file = tmp_path / "chart.svg"
    said = chart.draw_streams({"host": host, "stream": cells}, file)
    assert said == f"chart: {file}"
    assert "messages of 4,096 bytes" in file.read_text()
    assert "no streams" in chart.draw_streams({"host": host}, file)
