"""Readers: how a completion is cut does not matter, and what they say early is true."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.prompts import (
    Answer,
    Form,
    Malformed,
    Proposal,
    Rendered,
    answer_reader,
    proposal_reader,
    propose,
    solve,
)
from engine.tasks.task import Example, Task
from engine.wire.messages import Kind

PIECES = st.lists(
    st.sampled_from(
        [
            "\nprint(f(", "\n", "\n\n", "```", "\n```\n", "))", "def f(", "x", " ", "#", "'", "\\",
            "<answer>", "</answer>", "<think>", "</think>", "```python\n", "```input\n",
            "```output\n", "```message\n", "def f(x):\n    return x\n", '"""', "f(1)\n", "f(2)\n",
        ]
    )
    | st.text(max_size=4),
    max_size=30,
)  # fmt: skip
PROMPTS = st.builds(
    lambda kind, form: Rendered(
        text="",
        lead="def f(" if form is Form.BLOCKS else "",
        stop=(),
        kind=kind,
        form=form,
        given="def f(x):\n    return x",
    ),
    st.sampled_from(Kind),
    st.sampled_from(Form),
)


def cut(text: str, places: list[int]) -> list[str]:
    ends = [*sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@given(PROMPTS, PIECES, st.lists(st.integers(0, 500), max_size=12))
def test_how_a_proposal_is_cut_does_not_matter_and_what_is_set_stays(prompt, pieces, places):
    text = "".join(pieces)
    whole = proposal_reader(prompt, num_inputs=2)
    whole.feed(text)
    reader = proposal_reader(prompt, num_inputs=2)
    seen = []
    for piece in cut(text, places):
        reader.feed(piece)
        seen.append((reader.program, reader.proposal, reader.hopeless))
    for early in zip(*seen, strict=True):
        known = [value for value in early if value is not None]
        assert early[len(early) - len(known) :] == tuple(known), "set, and unset again"
        assert len(set(known)) <= 1, "changed after it was set"
    assert (reader.result(), reader.well_formed) == (whole.result(), whole.well_formed)
    if reader.proposal is not None:
        assert reader.result() == reader.proposal


@given(PROMPTS, PIECES, PIECES)
def test_what_is_hopeless_stays_malformed_and_what_is_complete_stays_so(prompt, pieces, more):
    reader = proposal_reader(prompt, num_inputs=2)
    reader.feed("".join(pieces))
    hopeless, proposal = reader.hopeless, reader.proposal
    assert not (hopeless and proposal)
    reader.feed("".join(more))
    if hopeless:
        assert isinstance(reader.result(), Malformed)
    if proposal:
        assert reader.result() == proposal


@given(PROMPTS, PIECES, PIECES, st.lists(st.integers(0, 500), max_size=12))
def test_an_answer_is_read_the_same_however_it_is_cut(prompt, pieces, more, places):
    text = "".join(pieces)
    whole, reader = answer_reader(prompt), answer_reader(prompt)
    whole.feed(text)
    for piece in cut(text, places):
        reader.feed(piece)
    assert (reader.result(), reader.answer, reader.hopeless) == (
        whole.result(), whole.answer, whole.hopeless,
    )  # fmt: skip
    hopeless, answer = reader.hopeless, reader.answer
    reader.feed("".join(more))
    assert not hopeless or isinstance(reader.result(), Malformed)
    assert answer is None or reader.result() == answer


# -- the parser's hard cases, in words


def tagged(kind: Kind, reply: str, *, num_inputs: int = 2) -> Proposal | Malformed:
    prompt = Rendered(
        text="", lead="<think>", stop=(), kind=kind, form=Form.TAGS, given="def f(x):\n    return x"
    )
    reader = proposal_reader(prompt, num_inputs=num_inputs)
    reader.feed(reply)
    return reader.result()


F = "```python\ndef f(x):\n    return x\n```\n"
HELPED = "def f(x):\n    def g(y):\n        return y\n    return g(x)"


@pytest.mark.parametrize(
    ("reply", "program", "args"),
    [
        pytest.param(f"so</think>\n<answer>\n{F}```input\n3\n```\n</answer>",
                     "def f(x):\n    return x", "3", id="the plain case"),
        pytest.param(f"</think><answer>```input\n3\n```\n{F}</answer>",
                     "def f(x):\n    return x", "3", id="input before code"),
        pytest.param(f"</think><answer>So:\n```python\nprint(1)\n```\n{F}```input\n3\n```</answer>",
                     "def f(x):\n    return x", "3", id="other code before it"),
        pytest.param(f"</think><answer>\n```python\n{HELPED}\n```\n```input\n3\n```</answer>",
                     HELPED, "3", id="a nested helper"),
        pytest.param(f"</think><answer>{F}```input\n[1,\n 2], k=3\n```</answer>",
                     "def f(x):\n    return x", "[1,\n 2], k=3", id="lines and keywords"),
        pytest.param("</think><answer>\n```python\ndef f(x):\n    y = '''\n```\n'''\n    return y\n"
                     "```\n```input\n1\n```</answer>",
                     "def f(x):\n    y = '''\n```\n'''\n    return y", "1", id="fence in text"),
        pytest.param(f"a <answer> in thought</think><answer>{F}```input\n3\n```</answer>",
                     "def f(x):\n    return x", "3", id="a tag in the thoughts"),
        pytest.param(f"Assistant: I</think><answer>{F}```input\n'Assistant:'\n```</answer>",
                     "def f(x):\n    return x", "'Assistant:'", id="the word that opens a turn"),
    ],
)  # fmt: skip
def test_t05_t20_a_proposal_in_words_is_read_as_it_was_meant(reply, program, args):
    assert tagged(Kind.DEDUCTION, reply) == Proposal(program=program, args=(args,))


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "no_answer"),
        ("I will ignore the format.", "no_answer"),
        ("</think><answer></answer>", "no_program"),
        (f"</think><answer>{F}</answer>", "no_input"),
        ("</think><answer>```java\nint f(int x)\n```\n```input\n1\n```</answer>", "no_program"),
        ("</think><answer>```python\ndef g(x):\n    return x\n```\n```input\n1\n```</answer>",
         "no_program"),
        ("x" * 200_000, "too_long"),
    ],
)  # fmt: skip
def test_what_is_no_proposal_in_words_says_why(reply, reason):
    assert tagged(Kind.ABDUCTION, reply) == Malformed(reason)


def test_an_induction_proposal_has_different_inputs_and_a_message():
    inputs = "".join(f"```input\n{value}\n```\n" for value in (1, 2, 2, 3))
    whole = f"</think><answer>{inputs}```message\ngives\nit back\n```</answer>"
    assert tagged(Kind.INDUCTION, whole, num_inputs=3) == Proposal(
        program="def f(x):\n    return x", args=("1", "2", "3"), message="gives it back"
    )
    assert tagged(Kind.INDUCTION, whole, num_inputs=4) == Malformed("few_inputs")
    assert tagged(Kind.INDUCTION, f"</think><answer>{inputs}</answer>") == Malformed("no_message")


def test_of_more_inputs_than_were_asked_for_the_last_count_even_behind_the_message():
    first = "".join(f"```input\n{value}\n```\n" for value in (1, 2))
    reply = f"</think><answer>{first}```message\nit\n```\n```input\n3\n```\n</answer>"
    assert tagged(Kind.INDUCTION, reply) == Proposal(
        program="def f(x):\n    return x", args=("2", "3"), message="it"
    )


TASK = Task(
    kind=Kind.DEDUCTION,
    program="def f(x):\n    return [x, 'Assistant:']",
    examples=(Example(args="'</answer>'", gold=b"", shown="['</answer>', 'Assistant:']"),),
)


@pytest.mark.parametrize("form", [Form.TAGS, Form.CHAT])
def test_t20_what_a_prompt_shows_does_not_confuse_the_reader(form):
    prompt = solve(TASK, [TASK], form=form)
    reader = answer_reader(prompt)
    reply = "so</think>\n<answer>\n```output\n'Assistant: </answe'\n```\n</answer>"
    reader.feed(reply if form is Form.TAGS else f"<think>{reply}")
    assert reader.result() == Answer(text="'Assistant: </answe'")
    assert reader.well_formed


@pytest.mark.parametrize("kind", [Kind.DEDUCTION, Kind.ABDUCTION])
def test_a_proposers_prompt_shows_results_only_when_asked(kind):
    hidden = propose(kind, [TASK], form=Form.TAGS, num_inputs=2)
    shown = propose(kind, [TASK], form=Form.TAGS, num_inputs=2, show_outputs=True)
    assert TASK.program in hidden.text
    assert TASK.examples[0].shown not in hidden.text
    assert TASK.examples[0].shown in shown.text
