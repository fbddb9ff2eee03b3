"""The step: micro-batches, bad gradients, warm-up, rounding, the clock, leftovers of a kill."""

import math
from collections import Counter

import pytest
import torch

from trainer.batch import Batch
from trainer.checkpoint import checkpoints, newest_checkpoint, restore_learner, save_checkpoint
from trainer.config import TrainerConfig
from trainer.errors import TrainerError
from trainer.learner import Learner
from trainer.metrics import PhaseClock
from trainer.model import load_model
from trainer.optim import Optimizer
from trainer.signals import StopRequested

CPU = torch.device("cpu")


def nothing():
    """Called between micro-batches by a learner that nobody interrupts."""


@pytest.fixture
def learner(model_directory):
    config = TrainerConfig(lr=1e-2, micro_tokens=8)
    return Learner(model=load_model(model_directory, device=CPU), config=config)


@pytest.fixture
def batch(make_sample):
    rewards = (1.0, 0.0, -1.0, 0.5, 1.0)
    samples = [make_sample([1, 2], [i, i + 1, 3], reward=r) for i, r in enumerate(rewards)]
    return batch_of(samples)


def batch_of(samples):
    return Batch(
        samples=tuple(samples),
        stretches={"ring-0": (0, 1)},
        num_groups=1,
        num_rollouts=len(samples),
        rejected=Counter(),
    )


def weights(learner):
    return {name: p.detach().clone() for name, p in learner.model.named_parameters()}


def learn(learner, batch):
    return learner.learn(batch, clock=PhaseClock(), between_passes=nothing)


def test_a_step_raises_what_was_rewarded_and_lowers_what_was_not(learner, make_sample):
    good, bad = make_sample([1, 2], [5], reward=1.0), make_sample([1, 2], [6], reward=0.0)

    def logprobs():
        with torch.no_grad():
            return learner.model(input_ids=torch.tensor([[1, 2]])).logits[0, -1].log_softmax(-1)

    before = logprobs()
    learn(learner, batch_of([good, good, bad, bad]))
    after = logprobs()
    assert after[5] > before[5]
    assert after[6] < before[6]


def test_a_step_given_up_leaves_no_trace(learner, batch):
    passes = []

    def stop_at_the_second():
        passes.append(1)
        if len(passes) == 2:
            raise StopRequested

    before = weights(learner)
    with pytest.raises(StopRequested):
        learner.learn(batch, clock=PhaseClock(), between_passes=stop_at_the_second)
    assert learner.step == 0
    assert not learner.baselines
    assert all(torch.equal(p, before[name]) for name, p in learner.model.named_parameters())
    assert all(p.grad is None for p in learner.model.parameters())


def test_a_batch_of_equal_rewards_is_a_step_without_a_pass(learner, make_sample):
    before = weights(learner)
    report = learn(learner, batch_of([make_sample([1], [2], reward=0.5)] * 5))
    assert learner.step == 1
    assert report.grad_norm is None
    assert report.work.num_packs == 0
    assert report.row()["policy/loss"] is None
    assert all(torch.equal(p, before[name]) for name, p in learner.model.named_parameters())


def test_a_gradient_that_is_not_finite_is_skipped_and_the_third_ends_the_run(learner, batch):
    learner.model.get_parameter("model.norm.weight").data[0] = math.nan
    before = weights(learner)
    for number in (1, 2):
        report = learn(learner, batch)
        assert report.is_skipped
        assert learner.step == number
    with pytest.raises(TrainerError, match=r"3 in a row .*lower trainer.lr"):
        learn(learner, batch)
    for name, p in learner.model.named_parameters():
        assert torch.equal(p.nan_to_num(), before[name].nan_to_num())


def test_the_learning_rate_rises_linearly_and_the_gradient_is_bounded(learner):
    optimizer = Optimizer(learner.model, TrainerConfig(lr=1.0, warmup_steps=4, grad_clip=0.5))
    assert [optimizer.learning_rate(n) for n in (1, 2, 4, 9)] == [0.25, 0.5, 1.0, 1.0]
    for p in learner.model.parameters():
        p.grad = torch.full_like(p, 2.0)
    count = sum(p.numel() for p in learner.model.parameters())
    assert optimizer.step(number=1) == pytest.approx(2.0 * math.sqrt(count), rel=1e-5)
    moment = torch.cat(
        [v.flatten() for k, v in optimizer.state().items() if k.startswith("exp_avg/")]
    )
    assert moment.norm().item() / 0.1 == pytest.approx(0.5, rel=1e-4)


def test_with_bfloat16_the_model_computes_with_rounded_weights_and_the_masters_keep_the_rest(
    model_directory, batch
):
    config = TrainerConfig(lr=1e-6, publish_dtype="bfloat16")
    learner = Learner(model=load_model(model_directory, device=CPU), config=config)
    learn(learner, batch)
    masters = learner.optimizer.masters
    for name, p in learner.model.named_parameters():
        assert torch.equal(p, p.bfloat16().float())
        assert torch.equal(p, masters[name].bfloat16().float())
    assert any(not torch.equal(masters[n], p) for n, p in learner.model.named_parameters())


def test_phases_are_kept_apart_and_the_rest_is_other():
    moments = iter([0.0, 1.0, 3.0, 4.0, 8.0, 10.0, 10.0])
    clock = PhaseClock(lambda: next(moments))
    with clock.phase("pack"):
        pass
    with clock.phase("publish"):
        pass
    row = clock.lap()
    assert (row["time/pack_s"], row["time/publish_s"]) == (2.0, 4.0)
    assert (row["time/other_s"], row["time/step_s"]) == (4.0, 10.0)
    assert clock.lap()["time/step_s"] == 0.0


def test_a_checkpoint_restores_everything_and_leftovers_of_a_kill_are_none(
    tmp_path, learner, batch, model_directory
):
    learn(learner, batch)
    for torn in (".tmp-step-000009", ".trash-step-000008"):
        (tmp_path / torn).mkdir()
        (tmp_path / torn / "manifest.json").write_text("{}")
    assert newest_checkpoint(tmp_path) is None
    save_checkpoint(tmp_path, learner, cursors={"ring-0": 17}, origin=model_directory, keep=1)
    learn(learner, batch)
    saved = save_checkpoint(
        tmp_path, learner, cursors={"ring-0": 18}, origin=model_directory, keep=1
    )
    assert [path.name for path in tmp_path.iterdir()] == ["step-000002"]
    assert checkpoints(tmp_path) == [saved]
    other = Learner(model=load_model(saved, device=CPU), config=learner.config)
    restore_learner(saved, other)
    assert (other.step, other.baselines) == (2, learner.baselines)
    learn(learner, batch)
    learn(other, batch)
    for name, p in learner.model.named_parameters():
        assert torch.equal(p, other.model.get_parameter(name)), name
