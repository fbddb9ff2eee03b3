"""The corpus is in the product's formats and right; the committed model speaks them."""

import random
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.prompts import Answer, Proposal
from engine.prompts.parse import parse_answer, parse_proposal
from engine.tasks.seeds import IDENTITY, held_out_programs
from engine.tiny.corpus import NUM_INPUTS, document_of
from engine.tiny.programs import sketch
from engine.wire.messages import MAIN_KINDS, Kind, Role

seeds = st.integers(0, 2**32)
ROLES_AND_KINDS = list(product(Role, Kind))


@given(seeds)
def test_a_sketch_has_different_calls_that_compile_and_no_empty_line(seed):
    made = sketch(random.Random(seed), num_inputs=4)
    assert len(set(made.args)) == len(made.values) == 4
    assert "\n\n" not in made.program
    for args, value in zip(made.args, made.values, strict=True):
        compile(f"{made.program}\nassert f({args}) == {value}", "sketch", "exec")


@given(seeds)
def test_a_sketch_is_a_function_of_its_seed(seed):
    one, two = (sketch(random.Random(seed), num_inputs=3) for _ in range(2))
    assert one == two


@given(st.sampled_from(ROLES_AND_KINDS), seeds)
@example((Role.PROPOSER, Kind.INDUCTION), 7896)
def test_every_completion_is_what_the_parser_accepts(role_and_kind, seed):
    role, kind = role_and_kind
    made = document_of(role, kind, random.Random(seed))
    if role is Role.SOLVER:
        lead = made.prompt.rpartition("\n")[2]
        assert isinstance(parse_answer(kind, made.completion, lead=lead), Answer)
        return
    lead = made.prompt.rpartition("\n\n")[2]
    proposal = parse_proposal(kind, made.completion, lead=lead, num_inputs=NUM_INPUTS)
    assert isinstance(proposal, Proposal)
    assert made.completion.endswith("\n\n")


def test_the_corpus_has_nothing_of_what_solving_is_examined_on():
    rng = random.Random(0)
    held_out = [entry.program for entry in held_out_programs()]
    assert held_out
    for _ in range(3000):
        role, kind = rng.choice(ROLES_AND_KINDS)
        made = document_of(role, kind, rng)
        assert not any(program in made.prompt + made.completion for program in held_out)


def test_the_seed_program_is_shown_and_never_imitated():
    rng = random.Random(0)
    made = [document_of(Role.PROPOSER, Kind.DEDUCTION, rng) for _ in range(300)]
    shown = [one for one in made if IDENTITY.program in one.prompt]
    assert shown
    assert not any(one.learn_prompt for one in shown)
    assert not any("return x\n" in one.completion for one in made)


@pytest.fixture(scope="module")
async def tiny():
    pytest.importorskip("torch", reason="the extra `train` is not installed")
    from benchmarks.threaded import open_in_thread
    from engine.policy.local import LocalOptions
    from engine.policy.pretrained import resolve_model

    policy, _ = await open_in_thread(resolve_model("tiny"), options=LocalOptions(threads=1))
    yield policy
    await policy.close()


def test_a_prompt_has_the_same_tokens_as_the_text_it_was_cut_from():
    tokenizers = pytest.importorskip("tokenizers", reason="the extra `train` is not installed")
    from engine.policy.pretrained import TINY_WEIGHTS

    tokenizer = tokenizers.Tokenizer.from_file(str(TINY_WEIGHTS / "tokenizer.json"))
    rng = random.Random(0)
    for role, kind in ROLES_AND_KINDS * 20:
        made = document_of(role, kind, rng)
        apart = tokenizer.encode(made.prompt).ids + tokenizer.encode(made.completion).ids
        assert apart == tokenizer.encode(made.prompt + made.completion).ids
        assert tokenizer.decode(apart) == made.prompt + made.completion


def compiles(source):
    try:
        compile(source, "proposal", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


@pytest.mark.parametrize("kind", MAIN_KINDS)
async def test_most_of_its_proposals_can_be_read_and_compile(tiny, kind):
    """Whether they run is for a sandbox to say, never for this process."""
    from engine.policy.protocol import SamplingParams

    rng = random.Random(1)
    readable = total = 0
    for number in range(6):
        prompt = document_of(Role.PROPOSER, kind, rng).prompt
        params = SamplingParams(n=8, max_tokens=128, stop=("\n\n",), seed=number)
        texts = [""] * params.n
        async for chunk in tiny.sample(prompt, params):
            texts[chunk.index] += chunk.text
        lead = prompt.rpartition("\n\n")[2]
        for text in texts:
            total += 1
            proposal = parse_proposal(kind, text, lead=lead, num_inputs=NUM_INPUTS)
            if isinstance(proposal, Proposal):
                calls = "\n".join(f"f({args})" for args in proposal.args)
                readable += compiles(f"{proposal.program}\n{calls}")
    assert readable >= 0.6 * total, f"{readable} of {total}"
