"""Prompts and their parsers: what is written is read back, and nothing a model writes can harm."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.prompts import (
    Answer,
    Malformed,
    Proposal,
    parse_answer,
    parse_proposal,
    propose,
    solve,
)
from engine.prompts.parse import MAX_CHARS, ProposalReader, leaks
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
    if draw(st.booleans()):
        lines += ["def g(z):", "    return z"]
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
    }[kind]
    assert parse_answer(kind, shot.removeprefix(begun), lead=prompt.lead) == Answer(text=expected)


# -- reading what a model wrote

PIECES = st.lists(
    st.sampled_from(
        ["\nprint(f(", "\n", "\n\n", "```", "\n```", "))", "def f(", "x", " ", "#", "'", '"', "\\"]
    )
    | st.text(max_size=5)
)


@given(PIECES, st.data())
def test_how_a_proposal_is_cut_into_pieces_does_not_matter(pieces, data):
    text = "".join(pieces)
    whole = ProposalReader("def f(")
    whole.feed(text)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)))))
    reader = ProposalReader("def f(")
    programs_seen = []
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        reader.feed(text[start:end])
        programs_seen.append(reader.program)
    set_ones = [program for program in programs_seen if program is not None]
    assert len(set(set_ones)) <= 1, "program changed once it was set"
    assert programs_seen[len(programs_seen) - len(set_ones) :] == set_ones, "program was unset"
    assert (reader.program, reader.result()) == (whole.program, whole.result())


@given(PIECES.map("".join), st.sampled_from(Kind), st.integers(1, 4))
def test_any_text_is_a_proposal_or_malformed(text, kind, num_inputs):
    lead = "def f(x):\n    return x\n#" if kind is Kind.INDUCTION else "def f("
    found = parse_proposal(kind, text, lead=lead, num_inputs=num_inputs)
    assert isinstance(found, Proposal | Malformed)
    if isinstance(found, Proposal):
        assert len(found.args) == (num_inputs if kind is Kind.INDUCTION else 1)
        assert "\n\n" not in found.program


@given(PIECES.map("".join), st.sampled_from(Kind))
def test_any_text_is_an_answer_or_malformed(text, kind):
    assert isinstance(parse_answer(kind, text, lead="def f("), Answer | Malformed)


def proposed(completion: str) -> Proposal | Malformed:
    return parse_proposal(Kind.DEDUCTION, completion, lead="def f(", num_inputs=1)


@pytest.mark.parametrize(
    ("completion", "program", "args"),
    [
        pytest.param(
            "x):\n    def f2(y):\n        return y\n    return f2(x)\nprint(f(3))",
            "def f(x):\n    def f2(y):\n        return y\n    return f2(x)", "3",
            id="a nested helper",
        ),
        pytest.param("x, k=1):\n    return k\nprint(f(3, k=[1, 2]))",
                     "def f(x, k=1):\n    return k", "3, k=[1, 2]", id="keyword arguments"),
        pytest.param("s):\n    return s + '```py'\nprint(f('```'))",
                     "def f(s):\n    return s + '```py'", "'```'", id="a fence in a string"),
        pytest.param("x):\n    return x\nprint(f(3))  # gives 3", "def f(x):\n    return x", "3",
                     id="a comment after the call"),
        pytest.param("x):\n    return x\nprint(f(3))  # (as f((3))", "def f(x):\n    return x", "3",
                     id="a comment that closes like a call"),
        pytest.param("x):\n    return x\nprint(f('#))'))  # ('))", "def f(x):\n    return x",
                     "'#))'", id="a string that looks like the end and a comment"),
        pytest.param("x):\n    return x\nprint(f('it\\'s #'))", "def f(x):\n    return x",
                     "'it\\'s #'", id="an escaped quote"),
        pytest.param("x):\n    return x\nprint(f(3))\n```\nprint(f(4))",
                     "def f(x):\n    return x", "3", id="a closing fence"),
        pytest.param("x):\n    return x\nprint(f(3))\nprint(f(4))",
                     "def f(x):\n    return x", "3", id="the first of two calls"),
        pytest.param("x):\n\t\n    return x  \nprint(f(3))", "def f(x):\n    return x", "3",
                     id="blank lines and trailing blanks"),
    ],
)  # fmt: skip
def test_a_proposal_is_read_as_it_was_meant(completion, program, args):
    assert proposed(completion) == Proposal(program=program, args=(args,))


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        ("x):\n    return x", "no_call"),
        ("x):\n    return x\n\nprint(f(3))", "no_call"),
        ("x):\n    return x\n    print(f(3))", "no_call"),
        ("x):\n    return x\nprint(f([1,\n2]))", "open_call"),
        ("x):\n    return x\nprint(f(3)) or 1", "open_call"),
        ("x" * MAX_CHARS, "too_long"),
    ],
)
def test_what_has_not_the_shape_of_a_proposal_says_why(completion, reason):
    assert proposed(completion) == Malformed(reason)


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        ("\nf(1)\nf(2)", "no_message"),
        (" adds\nf(1)\nf(1)", "few_inputs"),
        (" adds\nf(1)\ng(2)", "open_call"),
        (" adds\nf(1)\nf(2", "open_call"),
        (" adds\nf(1)\nf(2 # gives 3)", "open_call"),
        (" return x + 1\nf(1)\nf(2)", "leak"),
    ],
)
def test_what_has_not_the_shape_of_a_description_says_why(completion, reason):
    lead = "def f(x):\n    y = x + 1\n    return y\n#"
    found = parse_proposal(Kind.INDUCTION, completion, lead=lead, num_inputs=2)
    assert found == Malformed(reason)


@pytest.mark.parametrize(
    ("kind", "completion", "expected"),
    [
        (Kind.DEDUCTION, " 12\nassert f(", Answer(text="12")),
        (Kind.DEDUCTION, "  \n12", Malformed("empty")),
        (Kind.ABDUCTION, "3, k=4)\n", Answer(text="3, k=4")),
        (Kind.ABDUCTION, "3, 4)  # because f(3, 4) is 12\n", Answer(text="3, 4")),
        (Kind.ABDUCTION, "'#)', 4)  # (sure)\n", Answer(text="'#)', 4")),
        (Kind.ABDUCTION, ")", Answer(text="")),
        (Kind.ABDUCTION, "3", Malformed("open_call")),
        (Kind.ABDUCTION, "3) or True", Malformed("open_call")),
        (Kind.INDUCTION, "x):\n    return x\n```\nso", Answer(text="def f(x):\n    return x")),
        (Kind.INDUCTION, "nothing", Malformed("no_program")),
        (Kind.DEDUCTION, "1" * (MAX_CHARS + 1), Malformed("too_long")),
    ],
)
def test_an_answer_is_read_as_it_was_meant(kind, completion, expected):
    assert parse_answer(kind, completion, lead="def f(") == expected


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
    assert proposed(block.removeprefix("def f(")) == Proposal(
        program=task.program, args=("'Assistant:'",)
    )


def test_a_comment_beside_a_described_call_is_no_part_of_the_task():
    found = parse_proposal(
        Kind.INDUCTION, " adds\nf(1)  # gives (2)\nf('#')\n", lead="def f(x):\n#", num_inputs=2
    )
    assert found == Proposal(program="def f(x):", args=("1", "'#'"), message="adds")


# -- leaks

PROGRAM = "def f(xs, k):\n    total = sum(xs) * k\n    return total\n"


@pytest.mark.parametrize(
    "message",
    [
        "def f(xs, k): it sums",
        "def  f (xs)",
        "return the sum of xs",
        "lambda xs, k: sum(xs) * k",
        "computes total=sum( xs )*k and nothing else",
    ],
)
def test_a_message_with_code_of_the_program_leaks(message):
    assert leaks(message, PROGRAM)


@pytest.mark.parametrize(
    "message", ["adds the numbers and multiplies by k", "the total of all, k times", ""]
)
def test_a_message_in_words_does_not_leak(message):
    assert not leaks(message, PROGRAM)


@given(programs(), st.data())
def test_a_whole_line_of_the_program_leaks_however_it_is_spaced(program, data):
    line = data.draw(st.sampled_from(program.splitlines()[1:]))
    assume(len("".join(line.split())) >= 8)
    assert leaks("  ".join(["so:", *line.split(), "."]), program)
