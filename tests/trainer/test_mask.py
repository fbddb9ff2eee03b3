"""The loss mask: masked tokens are context, and nothing else."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import trainer.learner
from trainer.batch import admit
from trainer.config import TrainerConfig
from trainer.learner import Learner
from trainer.metrics import TokenSums
from trainer.model import hidden_states, load_model
from trainer.packing import pack
from trainer.valuation import value

CPU = torch.device("cpu")
CAP = 1.5


@pytest.fixture
def learner(any_model_directory):
    config = TrainerConfig(micro_tokens=24, tis_cap=CAP)
    return Learner(model=load_model(any_model_directory, device=CPU), config=config)


@pytest.fixture
def samples(make_sample):
    """Four samples of one prompt; of the first three some tokens are masked."""
    random = np.random.default_rng(5)
    masks = [[1, 0, 0, 1, 1], [0, 0, 1, 0, 1, 0], [0, 1], None]
    rows = []
    for i, mask in enumerate(masks):
        n = 4 if mask is None else len(mask)
        rows.append(
            make_sample(
                [7, 8, 9],
                random.integers(60, size=n),
                logprobs=random.uniform(-6, -2, size=n).astype(np.float32),
                temperature=1.0 if i % 2 else 0.7,
                mask=None if mask is None else np.array(mask, dtype=bool),
            )
        )
    return rows


ADVANTAGES = np.array([1.5, -1.0, 0.5, -0.25])


def gradient(learner, samples, *, denominator):
    """Of the model's parameters, and the sums over the tokens that made it."""
    learner.optimizer.clear()
    sums = TokenSums()
    for one in learner.pack(samples):
        learner.accumulate(
            one, samples, advantages_n=ADVANTAGES, denominator=denominator, sums=sums
        )
    grads = {name: p.grad.clone() for name, p in learner.model.named_parameters()}
    learner.optimizer.clear()
    return grads, sums


def by_hand(model, samples, *, denominator):
    """The loss as its definition says, one sequence and one token at a time.

    Its gradient is that of the first number, its value, where all ratios are 1, the second.
    """
    total, value = torch.zeros(()), 0.0
    for sample, advantage in zip(samples, ADVANTAGES, strict=True):
        ids = torch.from_numpy(np.concatenate([sample.prompt, sample.tokens]).astype(np.int64))
        logits = model(input_ids=ids[None], use_cache=False).logits[0] / sample.temperature
        logprobs = logits.log_softmax(-1)
        for i, token in enumerate(sample.tokens.tolist()):
            if sample.mask is not None and not sample.mask[i]:
                continue
            logprob = logprobs[len(sample.prompt) + i - 1, token]
            weight = (logprob.detach() - float(sample.logprobs[i])).exp().clamp(max=CAP)
            total = total - weight * float(advantage) * logprob
            value -= weight.item() * float(advantage)
    return total / denominator, value / denominator


def test_loss_and_gradient_are_those_of_the_unmasked_tokens_computed_by_hand(learner, samples):
    num_unmasked = 3 + 2 + 1 + 4
    grads, sums = gradient(learner, samples, denominator=num_unmasked)
    learner.model.zero_grad()
    loss, loss_value = by_hand(learner.model, samples, denominator=num_unmasked)
    loss.backward()
    for name, p in learner.model.named_parameters():
        torch.testing.assert_close(grads[name], p.grad, rtol=1e-4, atol=1e-6, msg=name)
    assert sums.num_tokens == num_unmasked
    logged = sums.row(denominator=num_unmasked)["policy/loss"]
    assert logged == pytest.approx(loss_value, rel=1e-4)


def test_the_gradient_at_a_node_that_predicts_masked_tokens_only_is_exactly_zero(
    learner, samples, monkeypatch
):
    seen = []

    def watched(model, one):
        hidden = hidden_states(model, one)
        hidden.retain_grad()
        seen.append((one, hidden))
        return hidden

    monkeypatch.setattr(trainer.learner, "hidden_states", watched)
    gradient(learner, samples, denominator=10)
    silent = 0
    for one, hidden_td in seen:
        speaks = np.zeros(one.num_nodes, dtype=bool)
        speaks[one.parents_k] = True
        per_node = hidden_td.grad.abs().sum(dim=-1).numpy()
        assert (per_node[~speaks] == 0.0).all()
        assert (per_node[speaks] > 0.0).all()
        silent += int((~speaks).sum())
    assert silent > 0


def test_what_a_masked_token_was_drawn_with_is_not_looked_at(learner, samples):
    blind = [
        replace(s, logprobs=np.where(s.mask, s.logprobs, np.nan)) if s.mask is not None else s
        for s in samples
    ]
    grads, _ = gradient(learner, samples, denominator=10)
    same, _ = gradient(learner, blind, denominator=10)
    for name, grad in grads.items():
        assert torch.equal(grad, same[name]), name


def test_a_masked_token_is_still_context(learner, samples):
    other = np.array(samples[0].tokens)
    other[1] = (other[1] + 1) % 60  # masked, and unmasked tokens follow
    grads, _ = gradient(learner, samples, denominator=10)
    changed, _ = gradient(
        learner, [replace(samples[0], tokens=other), *samples[1:]], denominator=10
    )
    assert any(not torch.allclose(grad, changed[name]) for name, grad in grads.items())


def test_a_mask_of_ones_is_no_mask(learner, samples):
    plain = [replace(sample, mask=None) for sample in samples]
    ones = [replace(sample, mask=np.ones(len(sample.tokens), bool)) for sample in samples]
    one, _ = gradient(learner, plain, denominator=10)
    other, _ = gradient(learner, ones, denominator=10)
    for name, grad in one.items():
        assert torch.equal(grad, other[name]), name


@given(st.data())
def test_the_trie_is_that_of_all_tokens_and_the_unmasked_are_scored(make_sample, data):
    few = st.integers(0, 2)
    samples = []
    for _ in range(data.draw(st.integers(1, 5))):
        tokens = data.draw(st.lists(few, min_size=1, max_size=5))
        mask = data.draw(st.lists(st.booleans(), min_size=len(tokens), max_size=len(tokens)))
        samples.append(make_sample(data.draw(st.lists(few, min_size=1, max_size=3)), tokens,
                                   mask=np.array(mask)))  # fmt: skip
    masked = pack(samples, max_nodes=12)
    whole = pack([replace(sample, mask=None) for sample in samples], max_nodes=12)
    for one, other in zip(masked, whole, strict=True):
        assert one.members == other.members
        assert (one.tokens_t == other.tokens_t).all()
        assert (one.ends_t == other.ends_t).all()
        kept_k = np.concatenate([samples[member].mask for member in one.members])
        assert (one.parents_k == other.parents_k[kept_k]).all()
        assert (one.targets_k == other.targets_k[kept_k]).all()


@pytest.mark.parametrize("algo", ["trr++", "azr_paper", "grpo"])
def test_masked_tokens_are_not_in_the_denominator_and_weigh_nothing(make_sample, algo):
    config = TrainerConfig(algo=algo)
    rewards = (1.0, 0.0, -1.0, 0.5)
    long = [make_sample([1], range(6), reward=r, mask=np.arange(6) < 2 + i % 2)
            for i, r in enumerate(rewards)]  # fmt: skip
    short = [make_sample([1], range(2 + i % 2), reward=r) for i, r in enumerate(rewards)]
    one, other = (value(rows, config=config, baselines={}) for rows in (long, short))
    assert one.num_tokens == other.num_tokens == 10
    assert (one.advantages_n == other.advantages_n).all()
    assert one.baselines == other.baselines


def masked(group, mask):
    rollout = group.rollouts[0]
    n = len(mask)
    rollout = replace(
        rollout,
        tokens=np.arange(n, dtype=np.uint32),
        logprobs=np.full(n, -1.0, np.float32),
        versions=((0, n),),
        mask=np.array(mask, dtype=bool),
    )
    return replace(group, rollouts=(rollout, *group.rollouts[1:]))


def test_a_rollout_that_is_masked_all_over_is_counted_and_left_out(make_group):
    samples, rejected = admit(masked(make_group(0), [0, 0, 0]), vocab_size=61)
    assert len(samples) == 3
    assert rejected == Counter(all_masked=1)


def test_a_masked_token_needs_no_logprob_and_an_unmasked_one_does(make_group):
    group = masked(make_group(0), [1, 0, 1])
    for at, reasons in ((1, Counter()), (2, Counter(logprob_not_finite=1))):
        logprobs = np.array(group.rollouts[0].logprobs)
        logprobs[at] = np.nan
        first = replace(group.rollouts[0], logprobs=logprobs)
        samples, rejected = admit(
            replace(group, rollouts=(first, *group.rollouts[1:])), vocab_size=61
        )
        assert rejected == reasons
    samples, _ = admit(group, vocab_size=61)
    assert samples[0].num_trained == 2
    assert samples[0].mask.tolist() == [True, False, True]
