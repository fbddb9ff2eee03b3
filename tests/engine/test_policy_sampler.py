"""Draws follow the distribution they report."""

import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from engine.policy.local.sampler import draw  # noqa: E402

VOCABULARY = 700  # of which the sampler makes three blocks
NUM_DRAWS = 4000


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.0])
def test_evenly_spread_numbers_draw_each_token_as_often_as_it_is_likely(temperature):
    logits = torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(1)) * 2
    uniforms = [(i + 0.5) / NUM_DRAWS for i in range(NUM_DRAWS)]
    draws = draw(
        logits.expand(NUM_DRAWS, -1), temperatures=[temperature] * NUM_DRAWS, uniforms=uniforms
    )
    expected = torch.softmax(logits / temperature, dim=-1) * NUM_DRAWS
    seen = torch.bincount(torch.tensor(draws.tokens), minlength=VOCABULARY)
    assert (seen - expected).abs().max() <= 1.001  # spread evenly: at most one to either side


def test_logprobs_are_of_the_distribution_drawn_from():
    logits = torch.randn(3, VOCABULARY, generator=torch.Generator().manual_seed(2))
    temperatures = [0.0, 0.5, 1.5]
    draws = draw(logits, temperatures=temperatures, uniforms=[0.9, 0.1, 0.5])
    for row, temperature in enumerate(temperatures):
        expected = torch.log_softmax(logits[row] / (temperature or 1.0), dim=-1)
        assert draws.logprobs[row] == pytest.approx(expected[draws.tokens[row]].item(), abs=1e-6)
    assert draws.tokens[0] == logits[0].argmax()


def test_a_row_draws_the_same_whatever_rows_are_beside_it():
    logits = torch.randn(6, VOCABULARY, generator=torch.Generator().manual_seed(3))
    uniforms = [0.05, 0.3, 0.5, 0.7, 0.9, 0.999999]
    together = draw(logits, temperatures=[1.0] * 6, uniforms=uniforms).tokens
    alone = [
        draw(logits[i : i + 1], temperatures=[1.0], uniforms=[uniforms[i]]).tokens[0]
        for i in range(6)
    ]
    assert together == alone


@pytest.mark.parametrize("uniform", [0.0, 1.0 - 2**-53])
def test_an_impossible_token_is_never_drawn(uniform):
    logits = torch.tensor([[-torch.inf, 0.0, 1.0, -torch.inf]])
    draws = draw(logits, temperatures=[1.0], uniforms=[uniform])
    assert draws.tokens[0] in (1, 2)
