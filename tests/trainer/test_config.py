"""Settings: every key checked, every mistake one sentence."""

import pytest

from trainer.config import TrainerConfig, describe_keys, read_config
from trainer.errors import TrainerError


def test_the_command_line_wins_over_the_table_and_the_table_over_the_defaults():
    config = read_config(
        {"lr": 1, "algo": "grpo", "betas": [0.5, 0.9]}, {"lr": "3e-5", "batch-samples": "12"}
    )
    assert (config.lr, config.batch_samples, config.algo) == (3e-5, 12, "grpo")
    assert config.betas == (0.5, 0.9)
    assert config.micro_tokens == TrainerConfig().micro_tokens
    assert read_config({}, {"betas": "0.8,0.95"}).betas == (0.8, 0.95)


@pytest.mark.parametrize(
    ("table", "overrides", "words"),
    [
        ({"lrr": 1.0}, {}, "unknown key trainer.lrr; did you mean trainer.lr?"),
        ({}, {"batch-sample": "3"}, "did you mean trainer.batch_samples?"),
        ({"zzz": 1}, {}, "known: algo, lr"),
        ({"lr": "fast"}, {}, "trainer.lr must be a number such as"),
        ({"threads": 1.5}, {}, "trainer.threads must be a whole number"),
        ({"threads": True}, {}, "got True"),
        ({"betas": [0.9]}, {}, "trainer.betas must be two numbers such as 0.9,0.999"),
        ({}, {"lr": "fast"}, "got 'fast'"),
        ({}, {"betas": "0.9"}, "two numbers"),
        ({"lr": 0}, {}, "trainer.lr must be above 0"),
        ({"lr": float("nan")}, {}, "trainer.lr must be above 0, got nan"),
        ({"lr": float("inf")}, {}, "trainer.lr"),
        ({"algo": "ppo"}, {}, "trainer.algo must be one of trr++, azr_paper, grpo"),
        ({"publish_dtype": "fp8"}, {}, "one of float32, bfloat16"),
        ({"betas": [0.9, 1.0]}, {}, "trainer.betas must be in"),
        ({"min_batch_samples": 65}, {}, "at most batch_samples, 64"),
    ],
)
def test_a_wrong_setting_is_refused_with_advice(table, overrides, words):
    with pytest.raises(TrainerError) as caught:
        read_config(table, overrides)
    assert words in str(caught.value)


def test_the_help_page_knows_every_key_its_default_and_its_meaning():
    page = describe_keys()
    for name in TrainerConfig.__dataclass_fields__:
        assert f"--trainer.{name} [" in page
    assert "--trainer.betas [0.9,0.999]: Decay" in page
