"""Advantages: the specification's vectors, its edge cases, and properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.wire import Kind, Role
from trainer.advantage import (
    Moments,
    Shrinkage,
    azr_paper,
    grpo,
    mix,
    trr_plus_plus,
    update_baseline,
    weighted_moments,
)
from trainer.config import TrainerConfig
from trainer.valuation import value

PLAIN = Shrinkage(n_min=1)
LENGTHS = np.array([10.0, 20.0, 30.0, 40.0])
REWARDS = np.array([0.875, -0.5, -1.0, 0.125])


def test_t02_azr_paper_on_two_samples_of_different_length():
    worth = azr_paper(np.array([1.0, -0.5]), np.array([100.0, 300.0]))
    assert worth.advantages_n == pytest.approx([1.7298844, -0.5766281], abs=1e-6)


def test_t02_azr_paper_on_four_samples():
    worth = azr_paper(REWARDS, LENGTHS)
    expected = [1.8761789, -0.3917297, -1.2164237, 0.6391379]
    assert worth.advantages_n == pytest.approx(expected, abs=1e-6)
    assert (LENGTHS * worth.advantages_n).sum() == pytest.approx(0, abs=1e-9)


def test_sample_weighted_moments_are_the_textbook_ones():
    assert weighted_moments(np.array([1.0, -0.5]), np.ones(2)) == (0.25, 1.125)
    worth = trr_plus_plus(REWARDS, np.ones(4), baseline=None, shrinkage=PLAIN)
    expected = [1.2344268, -0.4629101, -1.0801234, 0.3086067]
    assert worth.advantages_n == pytest.approx(expected, abs=1e-6)


def test_trr_weights_by_tokens_and_corrects_by_samples():
    worth = trr_plus_plus(REWARDS, LENGTHS, baseline=None, shrinkage=PLAIN)
    var = (LENGTHS * (REWARDS + 0.2625) ** 2).sum() / 100 * 4 / 3
    assert worth.advantages_n == pytest.approx((REWARDS + 0.2625) / np.sqrt(var), rel=1e-12)


def test_a_small_cell_leans_on_its_baseline():
    mixed = mix(Moments(1.0, 0.0), Moments(0.25, 0.5), weight=0.2)
    assert mixed == pytest.approx((0.4, 0.49))
    rewards = np.array([1.0, 1.0])
    worth = trr_plus_plus(
        rewards, np.ones(2), baseline=Moments(0.25, 0.5), shrinkage=Shrinkage(n_min=4, kappa=8)
    )
    assert worth.is_kept
    assert worth.advantages_n == pytest.approx([0.6 / 0.7, 0.6 / 0.7])


@pytest.mark.parametrize("n", [0, 1, 3])
def test_a_small_cell_without_a_baseline_is_worth_nothing(n):
    worth = trr_plus_plus(np.arange(n) * 1.0, np.ones(n), baseline=None, shrinkage=Shrinkage())
    assert not worth.is_kept
    assert (worth.advantages_n == np.zeros(n)).all()


@pytest.mark.parametrize("reward", [-1.0, -0.5, 0.0, 0.1, 1.0])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_t03_equal_rewards_are_worth_exactly_nothing_by_any_estimator(reward, n):
    rewards, lengths = np.full(n, reward), np.arange(1.0, n + 1)
    for worth in (
        trr_plus_plus(rewards, lengths, baseline=None, shrinkage=PLAIN),
        azr_paper(rewards, lengths),
        grpo(rewards),
    ):
        assert worth.advantages_n.tolist() == [0.0] * n


def test_equal_rewards_leave_the_batch_even_where_their_variance_rounds_above_zero():
    rewards = np.full(7, 0.1)
    worth = trr_plus_plus(rewards, np.arange(1.0, 8.0), baseline=None, shrinkage=Shrinkage())
    assert not worth.is_kept
    assert not worth.advantages_n.any()


def test_equal_rewards_stay_in_the_denominator_of_azr_paper():
    worth = azr_paper(np.full(3, 0.1), np.ones(3))
    assert worth.is_kept
    assert not worth.advantages_n.any()
    assert azr_paper(np.array([1.0]), np.array([1.0])).advantages_n.tolist() == [0.0]


def test_a_hair_of_variance_is_not_blown_up():
    rewards = np.array([0.0, 0.0, 0.0, 1e-6])
    worth = trr_plus_plus(rewards, np.ones(4), baseline=None, shrinkage=Shrinkage(s_min=1e-3))
    assert np.abs(worth.advantages_n).max() < 1e-3


def test_grpo_standardises_one_prompt():
    worth = grpo(np.array([1.0, 0.0, 0.0, 1.0]))
    assert worth.advantages_n == pytest.approx(
        np.array([1, -1, -1, 1]) * 0.5 / np.sqrt(1 / 3), 1e-5
    )
    assert not grpo(np.array([1.0])).is_kept
    assert not grpo(np.array([0.5, 0.5])).is_kept


def test_the_first_batch_founds_the_baseline_and_later_ones_move_it():
    rewards, lengths = np.array([1.0, 0.0]), np.ones(2)
    first = update_baseline(None, rewards, lengths, decay=0.95)
    assert first == Moments(0.5, 0.5)
    second = update_baseline(first, np.array([1.0]), np.ones(1), decay=0.95)
    assert second == pytest.approx((0.525, 0.95 * 0.5 + 0.95 * 0.05 * 0.25))


cells = st.lists(
    st.tuples(st.sampled_from([-1.0, -0.5, 0.0, 0.375, 1.0]), st.integers(1, 300)),
    min_size=4,
    max_size=20,
)


@given(cells)
def test_no_length_is_favoured(cell):
    rewards = np.array([reward for reward, _ in cell])
    lengths = np.array([float(length) for _, length in cell])
    for worth in (
        trr_plus_plus(rewards, lengths, baseline=None, shrinkage=Shrinkage()),
        azr_paper(rewards, lengths),
    ):
        assert abs((lengths * worth.advantages_n).sum()) < 1e-6 * lengths.sum()
        assert np.isfinite(worth.advantages_n).all()


@given(cells, st.randoms())
def test_the_order_of_a_cell_does_not_matter(cell, random):
    order = list(range(len(cell)))
    random.shuffle(order)
    rewards = np.array([reward for reward, _ in cell])
    lengths = np.array([float(length) for _, length in cell])
    straight = trr_plus_plus(rewards, lengths, baseline=None, shrinkage=Shrinkage())
    shuffled = trr_plus_plus(rewards[order], lengths[order], baseline=None, shrinkage=Shrinkage())
    assert shuffled.advantages_n == pytest.approx(straight.advantages_n[order], abs=1e-9)


def test_cells_are_valued_apart_and_a_dull_one_changes_nothing(make_sample):
    lively = [
        make_sample([1], [2] * n, reward=r) for n, r in ((3, 1.0), (1, 0.0), (2, 1.0), (5, -1.0))
    ]
    dull = [make_sample([1], [2], cell=(Role.PROPOSER, Kind.INDUCTION), reward=0.5)] * 4
    alone = value(lively, config=TrainerConfig(), baselines={})
    both = value([*dull, *lively], config=TrainerConfig(), baselines={})
    assert both.num_tokens == alone.num_tokens == 11
    assert both.advantages_n[4:].tolist() == alone.advantages_n.tolist()
    assert not both.advantages_n[:4].any()


def test_a_reward_is_never_measured_against_itself(make_sample):
    one = make_sample([1], [2], reward=1.0)
    first = value([one], config=TrainerConfig(), baselines={})
    assert not first.is_kept_n.any()
    assert first.baselines[one.cell] == Moments(1.0, 0.0)
    second = value(
        [make_sample([1], [2], reward=0.0)], config=TrainerConfig(), baselines=first.baselines
    )
    assert second.advantages_n[0] == pytest.approx(-(8 / 9) / np.sqrt(8 / 81))


def test_grpo_values_each_group_apart(make_sample):
    first = [make_sample([1], [2], group=b"a" * 16, reward=r) for r in (0.0, 1.0)]
    second = [make_sample([1], [2], group=b"b" * 16, reward=r) for r in (5.0, 6.0)]
    worth = value([*first, *second], config=TrainerConfig(algo="grpo"), baselines={})
    assert worth.advantages_n[:2] == pytest.approx(worth.advantages_n[2:])
