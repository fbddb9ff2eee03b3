"""Packing: a trie of the sequences, and the same log-probabilities and gradients as without it."""

import copy
import itertools

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from trainer.config import TrainerConfig
from trainer.errors import TrainerError
from trainer.learner import Learner
from trainer.metrics import TokenSums
from trainer.model import HeadRows, check_packing, head_weight, hidden_states, load_model, score
from trainer.packing import PASS_OVERHEAD, num_unpacked, pack

CPU = torch.device("cpu")

few_tokens = st.integers(0, 2)  # so that prefixes are shared
pairs = st.lists(
    st.tuples(
        st.lists(few_tokens, min_size=1, max_size=5), st.lists(few_tokens, min_size=1, max_size=5)
    ),
    min_size=1,
    max_size=6,
)


def path_of(one, node):
    """Tokens from the root to a node, by the mask alone."""
    return one.tokens_t[one.mask_tt()[node]].tolist()


@given(pairs, st.integers(1, 40))
def test_every_token_is_scored_after_exactly_its_prefix(make_sample, rows, max_nodes):
    samples = [make_sample(prompt, tokens) for prompt, tokens in rows]
    packs = pack(samples, max_nodes=max_nodes)
    assert sorted(m for one in packs for m in one.members) == list(range(len(samples)))
    for one in packs:
        k = 0
        for member in one.members:
            prompt, tokens = rows[member]
            for offset, token in enumerate(tokens):
                assert one.targets_k[k] == token
                assert path_of(one, one.parents_k[k]) == [*prompt, *tokens[:offset]]
                k += 1
        assert k == len(one.targets_k)


@given(pairs, st.integers(1, 40))
def test_no_prefix_is_computed_twice_and_no_pack_is_too_large(make_sample, rows, max_nodes):
    samples = [make_sample(prompt, tokens) for prompt, tokens in rows]
    for one in pack(samples, max_nodes=max_nodes):
        paths = [tuple(path_of(one, node)) for node in range(one.num_nodes)]
        assert len(set(paths)) == len(paths)
        assert [len(path) - 1 for path in paths] == one.depths_t.tolist()
        if one.num_nodes > max_nodes:
            assert len(one.members) == 1


@given(pairs)
def test_one_pack_holds_each_distinct_prefix_once(make_sample, rows):
    samples = [make_sample(prompt, tokens) for prompt, tokens in rows]
    (one,) = pack(samples, max_nodes=10**6)
    inputs = [tuple([*prompt, *tokens][:-1]) for prompt, tokens in rows]
    prefixes = {row[: n + 1] for row in inputs for n in range(len(row))}
    assert one.num_nodes == len(prefixes) <= num_unpacked(samples)


@given(pairs, st.integers(4, 30), st.sampled_from([10.0, 1000.0]))
def test_no_other_split_of_the_sorted_sequences_costs_less(make_sample, rows, max_nodes, square_at):
    samples = [make_sample(prompt, tokens) for prompt, tokens in rows]

    def cost(packs):
        sizes = [one.num_nodes for one in packs]
        return sum(PASS_OVERHEAD + size * (1 + size / square_at) for size in sizes)

    def is_allowed(packs):
        return all(one.num_nodes <= max_nodes or len(one.members) == 1 for one in packs)

    ordered = sorted(samples, key=lambda s: [*s.prompt, *s.tokens[:-1]])
    best = np.inf
    for cuts in itertools.product([False, True], repeat=len(rows) - 1):
        edges = [0, *(i + 1 for i, cut in enumerate(cuts) if cut), len(rows)]
        runs = [ordered[a:b] for a, b in itertools.pairwise(edges)]
        packs = [pack(run, max_nodes=10**6)[0] for run in runs]
        if is_allowed(packs):
            best = min(best, cost(packs))
    assert cost(pack(samples, max_nodes=max_nodes, square_at=square_at)) == pytest.approx(best)


def naive_logprobs(model, sample):
    """One sequence at a time, all of the vocabulary at each position."""
    ids = torch.from_numpy(np.concatenate([sample.prompt, sample.tokens]).astype(np.int64))
    logits = model(input_ids=ids[None], use_cache=False).logits[0] / sample.temperature
    positions = torch.arange(len(sample.prompt) - 1, len(ids) - 1)
    return logits.log_softmax(-1)[positions, ids[len(sample.prompt) :]]


def naive_gradient(model, samples, advantages, *, cap):
    """The loss as its definition says, summed over samples and tokens."""
    model.zero_grad()
    total = sum(len(sample.tokens) for sample in samples)
    for sample, advantage in zip(samples, advantages, strict=True):
        logprobs = naive_logprobs(model, sample)
        weights = (
            (logprobs.detach() - torch.from_numpy(sample.logprobs.copy())).exp().clamp(max=cap)
        )
        (-(weights * advantage * logprobs).sum() / total).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters()}


def packed_gradient(learner, samples, advantages):
    learner.optimizer.clear()
    sums = TokenSums()
    total = sum(len(sample.tokens) for sample in samples)
    for one in learner.pack(samples):
        learner.accumulate(
            one, samples, advantages_n=np.asarray(advantages), denominator=total, sums=sums
        )
    grads = {name: p.grad.clone() for name, p in learner.model.named_parameters()}
    learner.optimizer.clear()
    return grads, sums


def random_samples(make_sample, seed, *, n=9):
    random = np.random.default_rng(seed)
    prompts = [random.integers(60, size=random.integers(1, 30)) for _ in range(3)]
    prompts[1] = np.concatenate([prompts[0], prompts[1]])  # a shared head of examples
    samples = []
    for i in range(n):
        tokens = random.integers(4, size=random.integers(1, 12))
        mu = random.uniform(-6, -2, size=len(tokens)).astype(np.float32)
        temperature = [1.0, 0.7][i % 2]
        samples.append(make_sample(prompts[i % 3], tokens, logprobs=mu, temperature=temperature))
    return samples, random.normal(size=n)


@pytest.fixture(scope="session")
def any_learner(any_model_directory):
    config = TrainerConfig(micro_tokens=64, head_rows=5)
    return Learner(model=load_model(any_model_directory, device=CPU), config=config)


def test_packed_log_probabilities_are_those_of_single_sequences(any_learner, make_sample):
    model = any_learner.model
    samples, _ = random_samples(make_sample, 1)
    for one in pack(samples, max_nodes=50):
        temperatures = np.repeat(
            [samples[m].temperature for m in one.members],
            [len(samples[m].tokens) for m in one.members],
        )
        rows = HeadRows.of(one, temperatures_k=temperatures, device=CPU)
        logprobs = score(
            hidden_states(model, one)[rows.nodes_r],
            head_weight(model),
            temperatures_r=rows.temperatures_r,
        )[rows.rows_k, rows.targets_k]
        got = torch.empty_like(logprobs)
        got[rows.order_k] = logprobs
        expected = torch.cat([naive_logprobs(model, samples[m]) for m in one.members])
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_packed_gradients_are_those_of_single_sequences(any_learner, make_sample, seed):
    samples, advantages = random_samples(make_sample, seed)
    expected = naive_gradient(any_learner.model, samples, advantages, cap=2.0)
    got, _ = packed_gradient(any_learner, samples, advantages)
    for name, gradient in expected.items():
        torch.testing.assert_close(got[name], gradient, atol=1e-5, rtol=1e-4, msg=name)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.permutations(range(9)), st.integers(8, 200), st.integers(1, 40))
@example(list(range(9))[::-1], 8, 1)
def test_order_and_packing_do_not_change_the_gradient(
    any_learner, make_sample, order, micro_tokens, head_rows
):
    samples, advantages = random_samples(make_sample, 5)
    reference, sums = packed_gradient(any_learner, samples, advantages)
    other = copy.copy(any_learner)
    other.config = TrainerConfig(micro_tokens=micro_tokens, head_rows=head_rows)
    got, other_sums = packed_gradient(other, [samples[i] for i in order], advantages[list(order)])
    for name, gradient in reference.items():
        torch.testing.assert_close(got[name], gradient, atol=2e-6, rtol=1e-4, msg=name)
    assert other_sums.num_tokens == sums.num_tokens
    assert other_sums.entropy == pytest.approx(sums.entropy, rel=1e-5)
    assert other_sums.kl == pytest.approx(sums.kl, rel=1e-4)


def test_the_entropy_bonus_has_the_gradient_of_the_entropy(any_learner, make_sample):
    samples, advantages = random_samples(make_sample, 3, n=3)
    other = copy.copy(any_learner)
    other.config = TrainerConfig(entropy_coef=0.5)
    plain, _ = packed_gradient(any_learner, samples, advantages)
    got, _ = packed_gradient(other, samples, advantages)
    model = any_learner.model
    model.zero_grad()
    total = sum(len(sample.tokens) for sample in samples)
    for sample in samples:
        ids = torch.from_numpy(np.concatenate([sample.prompt, sample.tokens]).astype(np.int64))
        logprobs = (model(input_ids=ids[None]).logits[0] / sample.temperature).log_softmax(-1)
        entropy = -(logprobs.exp() * logprobs).sum(-1)[len(sample.prompt) - 1 : -1]
        (-0.5 * entropy.sum() / total).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(
            got[name] - plain[name], parameter.grad, atol=1e-5, rtol=1e-3, msg=name
        )
    model.zero_grad()


def test_a_model_that_packing_does_not_suit_is_refused(model_directory):
    model = load_model(model_directory, device=CPU)
    original = model.base_model.forward
    # As a recurrent model would: blind to mask and positions.
    model.base_model.forward = lambda *, input_ids, **_: original(input_ids=input_ids)
    with pytest.raises(TrainerError, match="differs from itself"):
        check_packing(model)
