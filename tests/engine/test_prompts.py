"""Prompts: what they show, what they hide, and that what is written reads back."""

from hypothesis import assume, given
from hypothesis import strategies as st

from engine.prompts import (
    Answer,
    Proposal,
    propose,
    solve,
)
from engine.prompts.leak import leaks
from engine.prompts.parse import parse_answer, parse_proposal
from engine.tasks.task import Example, Task
from engine.wire.messages import Kind

ONE_CALL = (Kind.DEDUCTION, Kind.ABDUCTION)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.binary(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=4,
)
EXPRESSIONS = st.sampled_from([
    "x", "len(str(x))", "[y for y in str(x)]", "g(x)", "'```' + str(x)", "'#' * 3", "str(x) + 'f('",
    "'))'", "{'Assistant:': x}", "(x,)", "lambda z: z", "\"it's\"", "x if x else ()",
])  # fmt: skip


@st.composite
def programs(draw) -> str:
    lines = ["def f(x, *rest, k=0):"]
    if draw(st.booleans()):
        lines += [
            "    def g(y):",
            f"        return {draw(EXPRESSIONS.filter(lambda e: 'g(' not in e))}",
        ]
    lines += [
        f"    {name} = {draw(EXPRESSIONS)}" for name in draw(st.lists(st.sampled_from("abc")))
    ]
    lines += [f"    # {draw(st.sampled_from(['Assistant: hello', 'print(f(1))', '))']))}"]
    lines += [f"    return {draw(EXPRESSIONS)}"]
    return "\n".join(lines)


@st.composite
def argument_lists(draw) -> str:
    positional = [ascii(value) for value in draw(st.lists(VALUES, max_size=3))]
    keywords = [f"k={draw(VALUES)!a}"] if draw(st.booleans()) else []
    return ", ".join(positional + keywords)


@st.composite
def tasks(draw, kind: Kind, *, num_examples: int = 1) -> Task:
    args = draw(
        st.lists(argument_lists(), min_size=num_examples, max_size=num_examples, unique=True)
    )
    program = draw(programs())
    message = ""
    if kind is Kind.INDUCTION:
        words = st.text("abcdefgh xyz", min_size=1).map(lambda text: " ".join(text.split()))
        message = draw(words.filter(bool))
        assume(not leaks(message, program))
    examples = [
        Example(args=each, gold=b"", shown=f"'the gold of {index}'")
        for index, each in enumerate(args)
    ]
    return Task(kind=kind, program=program, examples=tuple(examples), message=message)


def last_block(text: str) -> str:
    return text.rsplit("\n\n", 1)[1]


# -- what a prompt shows


@given(st.data(), st.sampled_from(Kind))
def test_a_proposers_prompt_never_contains_a_gold(data, kind):
    references = data.draw(st.lists(tasks(kind, num_examples=4), max_size=3))
    prompt = propose(kind, references, num_inputs=4, program="def f(x):\n    return x")
    assert "the gold of" not in prompt.text
    for reference in references:
        assert reference.program in prompt.text
        assert reference.examples[0].args in prompt.text


@given(st.data())
def test_a_solvers_prompt_shows_no_hidden_part_of_its_own_task(data):
    deduction = data.draw(tasks(Kind.DEDUCTION))
    assert "the gold of" not in solve(deduction, []).text
    abduction = Task(
        kind=Kind.ABDUCTION,
        program=deduction.program,
        examples=(Example(args="'the secret input'", gold=b"", shown="7"),),
    )
    assert "the secret input" not in solve(abduction, []).text
    induction = data.draw(tasks(Kind.INDUCTION, num_examples=4))
    prompt = solve(induction, []).text
    assert induction.program not in prompt
    assert ["the gold of " + str(i) in prompt for i in range(4)] == [True, True, False, False]


@given(st.sampled_from(Kind), st.integers(2, 9))
def test_shown_and_hidden_examples_part_all_of_them(kind, num):
    examples = tuple(Example(args=str(i), gold=b"", shown="") for i in range(num))
    task = Task(kind=kind, program="def f(x): ...", examples=examples)
    assert task.shown + task.hidden == examples
    assert len(task.shown) - len(task.hidden) in (0, 1)


@given(st.data(), st.sampled_from(Kind))
def test_every_prompt_ends_with_its_lead(data, kind):
    task = data.draw(tasks(kind, num_examples=4))
    for prompt in (propose(kind, [task], num_inputs=4, program=task.program), solve(task, [task])):
        assert prompt.text.endswith(prompt.lead)


# -- rendering, then parsing


@given(st.data(), st.sampled_from(ONE_CALL))
def test_a_reference_reads_back_as_the_proposal_it_shows(data, kind):
    task = data.draw(tasks(kind))
    prompt = propose(kind, [task], num_inputs=1)
    shown = prompt.text.split("\n\n")[1]
    proposal = parse_proposal(kind, shown.removeprefix(prompt.lead), lead=prompt.lead, num_inputs=1)
    assert proposal == Proposal(program=task.program, args=(task.examples[0].args,))


@given(st.data())
def test_a_described_reference_reads_back_as_the_proposal_it_shows(data):
    task = data.draw(tasks(Kind.INDUCTION, num_examples=4))
    prompt = propose(Kind.INDUCTION, [task], num_inputs=4, program=task.program)
    shown = prompt.text.split("\n\n")[1]
    proposal = parse_proposal(
        Kind.INDUCTION, shown.removeprefix(prompt.lead), lead=prompt.lead, num_inputs=4
    )
    args = tuple(example.args for example in task.examples)
    assert proposal == Proposal(program=task.program, args=args, message=task.message)


@given(st.data(), st.sampled_from(Kind))
def test_a_solved_shot_reads_back_as_the_answer_it_shows(data, kind):
    task = data.draw(tasks(kind, num_examples=4))
    prompt = solve(task, [task])
    begun = last_block(prompt.text)
    shot = prompt.text.split("\n\n")[1]
    assert shot.startswith(begun)
    example = task.examples[0]
    expected = {
        Kind.DEDUCTION: example.shown,
        Kind.ABDUCTION: example.args,
        Kind.INDUCTION: task.program,
        Kind.ERROR: example.shown.strip("'"),
    }[kind]
    assert parse_answer(kind, shot.removeprefix(begun), lead=prompt.lead) == Answer(text=expected)


def test_the_word_assistant_in_a_program_changes_nothing():
    task = Task(
        kind=Kind.DEDUCTION,
        program="def f(x):\n    return 'Assistant: <answer>' + x",
        examples=(Example(args="'Assistant:'", gold=b"", shown="''"),),
    )
    prompt = solve(task, [task])
    assert parse_answer(Kind.DEDUCTION, " 'Assistant: 1'\n", lead=prompt.lead) == Answer(
        text="'Assistant: 1'"
    )
    again = propose(Kind.DEDUCTION, [task], num_inputs=1)
    block = last_block(again.text.removesuffix(again.lead).rstrip("\n"))
    read = parse_proposal(
        Kind.DEDUCTION, block.removeprefix(again.lead), lead=again.lead, num_inputs=1
    )
    assert read == Proposal(program=task.program, args=("'Assistant:'",))


@given(programs(), st.data())
def test_a_whole_line_of_the_program_leaks_however_it_is_spaced(program, data):
    line = data.draw(st.sampled_from(program.splitlines()[1:]))
    assume(len("".join(line.split())) >= 8)
    assert leaks("  ".join(["so:", *line.split(), "."]), program)
