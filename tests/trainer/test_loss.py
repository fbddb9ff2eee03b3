"""The loss: vectors of the surrogate, the slow twin, and what a capped weight does."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.loss import Drawn, kl_estimate, policy_loss, surrogate


@pytest.mark.parametrize(
    ("log_ratio", "advantage", "loss", "has_gradient"),
    [
        (0.3, 1.0, -1.28, False),
        (0.3, -1.0, 1.3498588, True),
        (2.0, 1.0, -1.28, False),
        (2.0, -1.0, 3.0, False),
        (-1.0, -1.0, 0.8, False),
        (0.0, 0.5, -0.5, True),
    ],
)
def test_vectors_of_the_clipped_surrogate(log_ratio, advantage, loss, has_gradient):
    log_ratios = torch.tensor([log_ratio], dtype=torch.float64, requires_grad=True)
    got = surrogate(log_ratios, torch.tensor([advantage], dtype=torch.float64))
    got.sum().backward()
    assert got.item() == pytest.approx(loss)
    assert bool(log_ratios.grad.abs() > 0) == has_gradient


def test_vector_of_the_kl_estimate():
    assert kl_estimate(torch.tensor(0.5)).item() == pytest.approx(0.1487213)


def test_the_kl_estimate_is_unbiased_for_kl_from_the_sampler():
    mu, p = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.5, 0.1, 0.4])
    exact = (mu * (mu / p).log()).sum()
    assert (mu * kl_estimate((p / mu).log())).sum() == pytest.approx(exact.item(), rel=1e-5)


tokens = st.lists(
    st.tuples(
        st.floats(-30, -1e-3),  # log p
        st.floats(-30, -1e-3),  # log mu
        st.floats(-5, 5),
    ),
    min_size=1,
    max_size=30,
)


@given(tokens)
def test_the_gradient_is_the_capped_weight_times_the_advantage(rows):
    logprobs = torch.tensor([row[0] for row in rows], dtype=torch.float64, requires_grad=True)
    mu = torch.tensor([row[1] for row in rows], dtype=torch.float64)
    advantages = torch.tensor([row[2] for row in rows], dtype=torch.float64)
    terms = policy_loss(logprobs, Drawn(mu_logprobs_k=mu, advantages_k=advantages), tis_cap=2.0)
    terms.loss_k.sum().backward()
    for k, (logprob, mu_logprob, advantage) in enumerate(rows):
        weight = min(math.exp(max(-20.0, min(20.0, logprob - mu_logprob))), 2.0)
        assert logprobs.grad[k].item() == pytest.approx(-weight * advantage, abs=1e-12)
        assert terms.loss_k[k].item() == pytest.approx(-weight * advantage, abs=1e-12)
        assert terms.weights_k[k].item() == pytest.approx(weight)
        assert terms.kl_k[k].item() >= -1e-12
