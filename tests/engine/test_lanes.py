"""Who is sampled next: bounded, fair over roles and kinds, and safe under cancellation."""

import asyncio
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.play.gate import Gate
from engine.play.scheduler import Job, Lanes, RoundOrder
from engine.wire.messages import Kind, Role

LANES = [(role, kind) for role in Role for kind in Kind]
MOST = 8
"""Largest cost of a job in the tests."""


class LanesMachine(RuleBasedStateMachine):
    """Jobs come, start, end and are cancelled in any order."""

    def __init__(self):
        super().__init__()
        self.lanes = Lanes(capacity=12)
        self.waiting: list[Job] = []
        self.running: list[Job] = []

    @rule(lane=st.sampled_from(LANES), cost=st.integers(1, 16))
    def submit(self, lane, cost):
        job = Job(lane, cost)
        self.lanes.submit(job)
        self.waiting.append(job)

    @rule()
    def start(self):
        job = self.lanes.start()
        if job is None:
            assert not self.waiting or self.running, "with nothing running the next job may start"
            return
        earlier = [other for other in self.waiting if other.lane == job.lane]
        assert earlier[0] is job, "jobs of a lane start in the order in which they came"
        self.waiting.remove(job)
        self.running.append(job)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data):
        job = data.draw(st.sampled_from(self.running))
        self.running.remove(job)
        self.lanes.end(job)
        self.lanes.end(job)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancel(self, data):
        job = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(job)
        self.lanes.end(job)

    @invariant()
    def what_is_under_way_is_what_was_started_and_not_ended(self):
        assert self.lanes.in_flight == sum(job.cost for job in self.running)
        assert self.lanes.num_waiting == len(self.waiting)

    @invariant()
    def only_a_job_that_runs_alone_exceeds_the_capacity(self):
        assert self.lanes.in_flight <= 12 or len(self.running) == 1

    def teardown(self):
        """Nobody starves: what waits now starts once enough has ended."""
        for _ in range(len(self.waiting) + len(self.running) + 1):
            while (job := self.lanes.start()) is not None:
                self.waiting.remove(job)
                self.running.append(job)
            if self.running:
                self.lanes.end(self.running.pop())
        assert not self.waiting


TestLanes = LanesMachine.TestCase


@given(
    st.lists(st.tuples(st.sampled_from(LANES), st.integers(1, MOST)), min_size=20, max_size=120),
    st.integers(1, 20),
)
def test_lanes_that_are_all_busy_are_served_alike(jobs, capacity):
    lanes = Lanes(capacity)
    left = defaultdict(int)
    for lane, cost in jobs:
        lanes.submit(Job(lane, cost))
        left[lane] += 1
    served = defaultdict(int)
    while all(left.values()):
        job = lanes.start()
        if job is None:
            break
        lanes.end(job)
        served[job.lane] += job.cost
        left[job.lane] -= 1
        assert max(served[lane] for lane in left) - min(served[lane] for lane in left) <= 2 * MOST


@given(st.integers(1, 40), st.integers(1, 40))
def test_a_lane_that_was_idle_does_not_catch_up(head_start, capacity):
    lanes = Lanes(capacity)
    busy, idle = LANES[:2]
    for _ in range(head_start):
        lanes.submit(Job(busy, 1))
        job = lanes.start()
        assert job is not None
        lanes.end(job)
    for _ in range(20):
        lanes.submit(Job(busy, 1))
        lanes.submit(Job(idle, 1))
    order = []
    for _ in range(20):
        job = lanes.start()
        assert job is not None
        lanes.end(job)
        order.append(job.lane)
    assert abs(order.count(busy) - order.count(idle)) <= 1


def test_a_waiting_job_is_not_overtaken_by_smaller_ones():
    lanes = Lanes(capacity=4)
    first, large, small = Job(LANES[0], 3), Job(LANES[1], 4), Job(LANES[0], 1)
    for job in (first, large, small):
        lanes.submit(job)
    assert lanes.start() is first
    assert lanes.start() is None, "the large one waits for room, the small one for the large one"
    lanes.end(first)
    assert lanes.start() is large
    lanes.end(large)
    assert lanes.start() is small


@pytest.mark.parametrize("make", [lambda: Lanes(0), lambda: RoundOrder(0)])
def test_a_bound_of_nothing_is_refused(make):
    with pytest.raises(ValueError, match="0"):
        make()


# -- the coroutines' side


@given(
    st.lists(
        st.tuples(st.sampled_from(LANES), st.integers(1, 5), st.sampled_from(["run", "cancel"])),
        min_size=1,
        max_size=20,
    ),
    st.integers(1, 6),
)
def test_everyone_gets_a_turn_and_gives_it_back_cancelled_or_not(jobs, capacity):
    async def main():
        gate = Gate(Lanes(capacity))
        entered = []

        async def use(number, lane, cost):
            async with gate.enter(lane, cost):
                entered.append(number)
                assert gate.lanes.in_flight <= max(capacity, cost)
                await asyncio.sleep(0)

        tasks = [
            asyncio.create_task(use(number, lane, cost))
            for number, (lane, cost, _) in enumerate(jobs)
        ]
        await asyncio.sleep(0)
        for task, (_, _, fate) in zip(tasks, jobs, strict=True):
            if fate == "cancel":
                task.cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        must = {number for number, (_, _, fate) in enumerate(jobs) if fate == "run"}
        assert must <= set(entered)
        assert (gate.lanes.in_flight, gate.lanes.num_waiting) == (0, 0)

    asyncio.run(main())


# -- the order of rounds


@given(st.integers(1, 5), st.integers(0, 9), st.data())
def test_rounds_are_committed_in_the_order_of_their_numbers(most, first, data):
    order = RoundOrder(most, first=first)
    running: list[int] = []
    committed: list[int] = []
    for _ in range(40):
        choices = ["start"] * order.can_start() + ["end"] * bool(running)
        if data.draw(st.sampled_from(choices)) == "start":
            running.append(order.start())
        else:
            number = data.draw(st.sampled_from(running))
            running.remove(number)
            order.end(number)
        while order.is_due(order.first):
            committed.append(order.commit())
        assert order.num_running == len(running)
        assert order.num_running <= order.num_open <= most
    assert committed == list(range(first, first + len(committed)))


def test_a_round_that_does_not_run_cannot_end():
    order = RoundOrder(2)
    with pytest.raises(ValueError, match="does not run"):
        order.end(0)
    number = order.start()
    order.end(number)
    with pytest.raises(ValueError, match="does not run"):
        order.end(number)
    order.start()
    with pytest.raises(ValueError, match="open already"):
        order.start()
