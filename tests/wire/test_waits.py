"""A wait is told at most once a second, is over when it is not renewed, and never ends a run."""

import json
import os
import time
from itertools import pairwise

import pytest

from engine.wire import waits
from engine.wire.waits import Waits, read_wait, wait_file


class Clock:
    """Both clocks of the module, set by hand."""

    def __init__(self, monkeypatch):
        self.now_s = 1000.0
        monkeypatch.setattr(waits.time, "monotonic", lambda: self.now_s)
        monkeypatch.setattr(waits.time, "time_ns", lambda: int(self.now_s * 1e9))


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_a_wait_that_goes_on_keeps_its_beginning(tmp_path, clock):
    path = wait_file(tmp_path, "engine")
    teller = Waits(path)
    for _ in range(100):
        teller.tell("room", on="trainer")
        clock.now_s += 0.1
    wait = read_wait(path)
    assert (wait.what, wait.on, wait.pid) == ("room", "trainer", os.getpid())
    assert wait.since_ns == 1000 * 10**9
    assert clock.now_s - wait.told_ns / 1e9 <= 1.1


def test_it_is_written_at_most_once_a_second_whatever_is_told(tmp_path, clock, monkeypatch):
    written = []
    monkeypatch.setattr(waits, "_replace", lambda *_: written.append(clock.now_s))
    teller = Waits(tmp_path / "engine.json")
    for number in range(1000):
        teller.tell(f"thing {number // 3}", on="trainer")
        clock.now_s += 0.01
    assert len(written) == 10
    assert min(b - a for a, b in pairwise(written)) >= 1 - 1e-6


def test_another_wait_and_one_after_a_pause_begin_anew(tmp_path, clock):
    path = wait_file(tmp_path, "engine")
    teller = Waits(path)
    teller.tell("room", on="trainer")
    clock.now_s += 2
    teller.tell("credit", on="trainer")
    assert read_wait(path).since_ns == 1002 * 10**9
    clock.now_s += 2
    teller.tell("credit", on="trainer")
    assert read_wait(path).since_ns == 1002 * 10**9
    clock.now_s += waits.OVER_AFTER_S + 1
    teller.tell("credit", on="trainer")
    assert read_wait(path).since_ns == time.time_ns()


def test_a_wait_that_is_not_renewed_is_over(tmp_path, clock):
    path = wait_file(tmp_path, "engine")
    Waits(path).tell("room", on="trainer")
    wait = read_wait(path)
    assert not wait.is_over(time.time_ns())
    clock.now_s += waits.OVER_AFTER_S + 0.1
    assert wait.is_over(time.time_ns())


def test_a_wait_that_cannot_be_told_ends_nothing_and_is_logged_once(tmp_path, clock, caplog):
    teller = Waits(tmp_path / "no" / "such" / "place.json")
    for _ in range(5):
        teller.tell("room", on="trainer")
        clock.now_s += 2
    assert caplog.text.count("waits cannot be told") == 1
    Waits().tell("room", on="nobody")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"what": 1, "pid": 2}), "\0" * 9])
def test_what_is_no_wait_is_none(tmp_path, text):
    path = tmp_path / "engine.json"
    assert read_wait(path) is None
    path.write_text(text)
    assert read_wait(path) is None
