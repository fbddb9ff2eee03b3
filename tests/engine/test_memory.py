"""The memory of tasks against a plain list: what is there, what is drawn, who leaves."""

import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.observe.syntax import distance, measure, profile, spread
from engine.tasks.diversity import diversity, num_families
from engine.tasks.eviction import Eviction, make_room
from engine.tasks.pools import FANOUT, Pool, Weighting
from engine.tasks.rows import OutboxRow, Retirement, Solved
from engine.tasks.store import TaskStore
from engine.tasks.task import Example, Origin, Task
from engine.wire.messages import Kind, Role

KINDS = (Kind.DEDUCTION, Kind.INDUCTION)
kinds = st.sampled_from(KINDS)


def task(number, kind=Kind.DEDUCTION, *, origin=Origin.PROPOSAL, shape="", behaviour="", gold=b"N"):
    return Task(
        kind=kind,
        program=f"program {number}",
        examples=(Example(args="1", gold=gold, shown="None"),),
        normal_form=str(number),
        shape=shape or str(number),
        behaviour=behaviour,
        origin=origin,
    )


class MemoryMachine(RuleBasedStateMachine):
    """The store behaves like a list of (round, task), whatever is done, and after every reopening.

    Rounds are far apart at times, so that the tree of counts has several levels.
    """

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = TaskStore(self.folder / "tasks.db")
        self.kept, self.gone, self.number, self.made = {}, {}, 0, 0

    def fresh(self, kind, origin, number):
        self.made += 1
        made = task(self.made, kind, origin=origin)
        self.kept[made.id] = (number, made)
        return made

    @rule(kind=kinds, num=st.integers(0, 4), apart=st.sampled_from([1, 1, 3, FANOUT, FANOUT**2]))
    def commit(self, kind, num, apart):
        tasks = [self.fresh(kind, Origin.PROPOSAL, self.number) for _ in range(num)]
        self.store.commit_round(self.number, tasks=tasks, proposals=[], groups=[], solved=[])
        self.number += apart

    @rule(kind=kinds, origin=st.sampled_from([Origin.SEED, Origin.IMPORTED]))
    def plant(self, kind, origin):
        made = self.fresh(kind, origin, -1)
        if origin is Origin.SEED:
            assert self.store.add_seeds([made, made]) == 1
        else:
            assert self.store.add_imported(made)

    @precondition(lambda self: self.kept)
    @rule(data=st.data(), is_retired=st.booleans())
    def leave(self, data, is_retired):
        name = data.draw(st.sampled_from(sorted(self.kept)))
        _, left = self.gone[name] = self.kept.pop(name)
        for _ in range(2):  # the second time changes nothing
            if is_retired:
                self.store.retire(Retirement(task=left, reason="r"))
            else:
                self.store.evict(name)

    @precondition(lambda self: self.gone)
    @rule(data=st.data())
    def try_again(self, data):
        _, known = self.gone[data.draw(st.sampled_from(sorted(self.gone)))]
        self.store.commit_round(self.number, tasks=[known], proposals=[], groups=[], solved=[])
        assert self.store.is_known(known.kind, known.normal_form)

    @rule()
    def reopen(self):
        before = self.draw_all()
        self.store.close()
        self.store = TaskStore(self.folder / "tasks.db")
        assert self.draw_all() == before

    @rule()
    def undo(self):
        """A transaction that fails leaves the counts as they were."""
        try:
            with self.store.transaction():
                self.store.add_seeds([task(0, origin=Origin.SEED)])
                for name in self.kept:
                    self.store.evict(name)
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass

    @rule(
        seed=st.integers(0, 99),
        asked=st.lists(kinds, min_size=1, unique=True),
        n=st.integers(0, 30),
        weighting=st.sampled_from(Weighting),
        origin=st.sampled_from([None, *Origin]),
        back=st.integers(-1, 6) | st.integers(0, 2000),
    )
    def draw(self, seed, asked, n, weighting, origin, back):
        since = max(self.number - back, -1)
        choice = {"n": n, "weighting": weighting, "origin": origin, "since_round": since}
        drawn = self.store.draw(random.Random(seed), asked, **choice)
        could = {
            name
            for name, (number, each) in self.kept.items()
            if each.kind in asked and origin in (None, each.origin) and number >= since
        }
        assert len(drawn) == len({each.id for each in drawn}) == min(n, len(could))
        assert {each.id for each in drawn} <= could
        assert drawn == self.store.draw(random.Random(seed), asked, **choice)

    def draw_all(self):
        drawn = self.store.draw(random.Random(1), KINDS, n=100, weighting=Weighting.RECENT)
        return [each.id for each in drawn]

    @invariant()
    def counts_and_lists_agree(self):
        tasks = [each for _, each in self.kept.values()]
        assert {each.id for each in self.store.tasks()} == set(self.kept)
        assert sorted(self.draw_all()) == sorted(self.kept)
        for kind in (None, *KINDS):
            for origin in (None, *Origin):
                wanted = [t for t in tasks if kind in (None, t.kind) and origin in (None, t.origin)]
                assert self.store.num_tasks(kind, origin) == len(wanted)

    def teardown(self):
        self.store.close()
        shutil.rmtree(self.folder)


MemoryMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
TestMemory = MemoryMachine.TestCase


@settings(max_examples=25, deadline=None)
@given(
    rounds=st.lists(st.integers(-1, 40), min_size=1, max_size=25),
    leaving=st.sets(st.integers(0, 24)),
    weighting=st.sampled_from(Weighting),
)
def test_every_task_has_the_share_that_it_weighs(tmp_path_factory, rounds, leaving, weighting):
    """Point by point: a draw of one is exactly in proportion to round + 2, or uniform.

    And what earlier rounds weigh is left out exactly by a draw since a round.
    """
    with TaskStore(tmp_path_factory.mktemp("m") / "tasks.db") as store:
        weights, steps = {}, {}
        for index, number in enumerate(rounds):
            made = task(index)
            store.commit_round(number, tasks=[made], proposals=[], groups=[], solved=[])
            if index in leaving:
                store.evict(made.id)
            else:
                weights[made.id] = number + 2 if weighting is Weighting.RECENT else 1
                steps[made.id] = number + 1
        pool = Pool(Kind.DEDUCTION, Origin.PROPOSAL)
        total = store._pools.total(pool, weighting)
        found = [
            store._row_at(pool, store._pools.find(pool, at, weighting))["id"] for at in range(total)
        ]
        assert Counter(found) == weights
        for step in range(45):
            earlier = sum(weight for name, weight in weights.items() if steps[name] < step)
            assert store._pools.before(pool, step, weighting) == earlier
        with pytest.raises(IndexError):
            store._pools.find(pool, total, weighting)


def test_draws_without_replacement_are_as_likely_as_by_the_definition(tmp_path):
    """Of weights 1 and 3 and 6, the pairs in order: p(a, b) = w_a / W * w_b / (W - w_a)."""
    weights = {-1: 1, 1: 3, 4: 6}
    with TaskStore(tmp_path / "tasks.db") as store:
        for number in weights:
            store.commit_round(number, tasks=[task(number)], proposals=[], groups=[], solved=[])
        dice, num = random.Random(0), 4000
        pairs = Counter(
            tuple(
                int(each.normal_form)
                for each in store.draw(dice, KINDS, n=2, weighting=Weighting.RECENT)
            )
            for _ in range(num)
        )
    for a, w_a in weights.items():
        for b, w_b in weights.items():
            if a != b:
                share = w_a / 10 * w_b / (10 - w_a)
                assert abs(pairs[a, b] / num - share) < 4 * (share * (1 - share) / num) ** 0.5


# -- a full memory


CAPACITY, A_ROUND, ROUNDS = 64, 8, 60


@pytest.mark.parametrize("policy", Eviction)
def test_t12_a_full_memory_keeps_the_newest_and_the_ages_of_what_is_drawn_move(tmp_path, policy):
    with TaskStore(tmp_path / "tasks.db") as store:
        seed = task(-1, origin=Origin.SEED)
        store.add_seeds([seed])
        drawn_rounds = {}
        for number in range(ROUNDS):
            tasks = [task(A_ROUND * number + index) for index in range(A_ROUND)]
            solved = [Solved(task_id=each.id, attempts=4, solved=2) for each in tasks]
            with store.transaction():
                store.commit_round(number, tasks=tasks, proposals=[], groups=[], solved=solved)
                make_room(store, random.Random(number), capacity=CAPACITY, policy=policy)
            assert store.num_tasks() == min(CAPACITY, 1 + A_ROUND * (number + 1))
            assert all(store.stored(each.id).state == "kept" for each in (seed, *tasks))
            drawn = store.draw(random.Random(number), [Kind.DEDUCTION], n=16)
            drawn_rounds[number] = [store.stored(each.id).round for each in drawn]
        ages = [number - found for number in (29, 59) for found in drawn_rounds[number]]
        early, late = sum(drawn_rounds[29]) / 16, sum(drawn_rounds[59]) / 16
        assert late > early + 15, "what is drawn follows the rounds"
        assert sum(ages) / len(ages) < 2 * CAPACITY / A_ROUND
        assert len(store.evicted()) == 1 + A_ROUND * ROUNDS - CAPACITY
        assert all(store.is_known(Kind.DEDUCTION, str(n)) for n in range(A_ROUND * ROUNDS))


@pytest.mark.parametrize(
    ("policy", "stay"), [(Eviction.SOLVED, {0, 1, 2, 3}), (Eviction.COVERAGE, {1, 2, 3, 11})]
)
def test_what_teaches_or_is_alone_stays_longer_than_what_is_newer(tmp_path, policy, stay):
    """Four old tasks that the policy values, then eight that it does not; four may stay.

    When one of a family is left it is as good as any other alone, and then the oldest leaves.
    """
    with TaskStore(tmp_path / "tasks.db") as store:
        for number in range(12):
            is_valued = number < 4
            one_shape = policy is Eviction.COVERAGE and not is_valued
            made = task(number, shape="common" if one_shape else "")
            right = 2 if is_valued or policy is Eviction.COVERAGE else 4
            solved = [Solved(task_id=made.id, attempts=4, solved=right)]
            store.commit_round(number, tasks=[made], proposals=[], groups=[], solved=solved)
        assert make_room(store, random.Random(0), capacity=4, policy=policy) == 8
        assert {int(each.normal_form) for each in store.tasks()} == stay


# -- diversity


def test_what_shares_a_shape_or_a_behaviour_is_one_family():
    tasks = [
        task(0, shape="a", behaviour="x"),
        task(1, shape="b", behaviour="x"),
        task(2, shape="b", behaviour="y"),
        task(3, shape="c"),
        task(4, shape="d"),
        task(5, Kind.ABDUCTION, shape="d"),
    ]
    assert num_families(tasks) == 4
    assert num_families([]) == 0


def test_a_collapse_onto_one_template_is_seen(tmp_path):
    """Forms differ, as in a healthy run; families, values and types do not."""
    found = {}
    for name in ("healthy", "collapsed"):
        with TaskStore(tmp_path / name) as store:
            for number in range(20):
                is_one = name == "collapsed"
                gold = b"T" if is_one else (b"N", b"T", b"S" + bytes([number]), b"L")[number % 4]
                made = task(number, shape="one" if is_one else "", gold=gold)
                group = OutboxRow(
                    group_id=bytes([number]), role=Role.SOLVER, kind=made.kind, task_id=made.id,
                    num_rollouts=1, payload=b"",
                )  # fmt: skip
                store.commit_round(number, tasks=[made], proposals=[], groups=[], solved=[])
                store.commit_round(number + 3, tasks=[], proposals=[], groups=[group], solved=[])
            found[name] = diversity(store, 16)
    healthy, collapsed = found["healthy"], found["collapsed"]
    assert healthy.num_tasks == collapsed.num_tasks == 16
    assert healthy.programs_per_100 == collapsed.programs_per_100 == 100
    assert (healthy.families_per_100, collapsed.families_per_100) == (100, 100 / 16)
    assert (healthy.type_bits, collapsed.type_bits) == (2.0, 0.0)
    assert (healthy.commonest_value, collapsed.commonest_value) == (0.25, 1.0)
    assert collapsed.values_per_100 < healthy.values_per_100
    assert (healthy.trained_age, healthy.trained_ages) == (3.0, (3, 3, 3))


def test_an_empty_memory_has_no_diversity(tmp_path):
    with TaskStore(tmp_path / "tasks.db") as store:
        found = diversity(store, 10)
    assert (found.num_tasks, found.families_per_100, found.type_bits) == (0, 0, 0)


async def test_programs_are_measured_in_a_process_of_their_own_that_may_die():
    bomb = "x = " + "(" * 100_000
    deep = "-" * 200_000 + "1"
    programs = ["def f(n):\n    return n < 4", bomb, "def f(", deep, "def f(n):\n    return n < 5"]
    first, *broken, last = await measure(programs)
    assert broken == [None, None, None]
    assert first is not None
    assert last is not None
    assert first.tree == last.tree, "constants are no part of a tree"
    assert (first.cognitive, first.volume) == (0, last.volume)
    assert first.volume > 0


async def test_the_distance_of_trees_is_a_distance():
    programs = [
        "def f(n):\n    return n < 4",
        "def f(n):\n    return n < 5",
        "def f(n):\n    if n < 4:\n        return n\n    return 0",
        "def g(a, b):\n    return [x * b for x in a]",
    ]
    trees = [each.tree for each in await measure(programs) if each]
    profiles = [profile(tree) for tree in trees]
    for one in profiles:
        assert distance(one, one) == 0
        for other in profiles:
            assert 0 <= distance(one, other) == distance(other, one) <= 1
    assert distance(profiles[0], profiles[1]) == 0
    assert distance(profiles[0], profiles[2]) < distance(profiles[0], profiles[3])
    assert spread(trees).nearest < spread(trees).mean
    assert (spread(trees[:1]).mean, spread([]).nearest) == (0, 0)
