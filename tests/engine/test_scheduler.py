"""Who plays next, and whether anyone may."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.play.scheduler import KindScheduler, has_credit
from engine.wire.messages import Kind

WEIGHTS = st.fixed_dictionaries({kind: st.integers(0, 9) for kind in Kind}).filter(
    lambda weights: any(weights.values())
)


@given(WEIGHTS, st.integers(0, 60))
def test_after_any_prefix_each_kind_is_within_one_round_of_its_share(weights, num_rounds):
    scheduler = KindScheduler(weights)
    played = [scheduler.next() for _ in range(num_rounds)]
    for kind, weight in weights.items():
        share = num_rounds * weight / sum(weights.values())
        assert abs(played.count(kind) - share) < 1


@given(WEIGHTS)
def test_after_a_cycle_each_kind_was_played_as_often_as_its_weight(weights):
    scheduler = KindScheduler(weights)
    played = [scheduler.next() for _ in range(sum(weights.values()))]
    assert {kind: played.count(kind) for kind in weights} == weights


@pytest.mark.parametrize("weights", [{}, {Kind.DEDUCTION: 0}, dict.fromkeys(Kind, -1)])
def test_weights_that_choose_nothing_are_refused(weights):
    with pytest.raises(ValueError, match="weights"):
        KindScheduler(weights)


@given(
    st.integers(1, 64),
    st.integers(0, 4),
    st.integers(1, 32),
    st.lists(
        st.tuples(st.sampled_from(["start", "end", "learn"]), st.integers(0, 40)), max_size=80
    ),
)
def test_credit_bounds_what_no_version_has_learned_from(batch, staleness, proposals, events):
    """Rounds that commit what they reserved never exceed the bound by a whole round."""
    unconsumed = running = 0
    for event, amount in events:
        if event == "start" and has_credit(
            unconsumed=unconsumed,
            running=running,
            batch_samples=batch,
            staleness=staleness,
        ):
            running += proposals
        elif event == "end" and running:
            running, unconsumed = running - proposals, unconsumed + proposals
        elif event == "learn":
            unconsumed = max(0, unconsumed - amount)
        assert unconsumed + running < (staleness + 1) * batch + proposals


@given(st.integers(1, 64), st.integers(0, 4))
def test_with_nothing_outstanding_a_round_may_always_start(batch, staleness):
    assert has_credit(unconsumed=0, running=0, batch_samples=batch, staleness=staleness)


@given(WEIGHTS, st.integers(0, 200))
def test_the_kind_of_a_round_follows_from_its_number(weights, number):
    scheduler = KindScheduler(weights)
    for _ in range(number):
        scheduler.next()
    assert KindScheduler(weights).at(number) is scheduler.next()
