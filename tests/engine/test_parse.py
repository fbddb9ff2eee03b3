"""The parsers: what is meant is read, what is not says why, and no text can break them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.prompts import Answer, Malformed, Proposal
from engine.prompts.leak import gives_away, leaks
from engine.prompts.parse import MAX_CHARS, parse_answer, parse_proposal
from engine.wire.messages import Kind

PIECES = st.lists(
    st.sampled_from(
        ["\nprint(f(", "\n", "\n\n", "```", "\n```", "))", "def f(", "x", " ", "#", "'", '"', "\\"]
    )
    | st.text(max_size=5)
)


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
def test_t05_a_proposal_is_read_as_it_was_meant(completion, program, args):
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
def test_t17_a_message_with_code_of_the_program_leaks(message):
    assert leaks(message, PROGRAM)


@pytest.mark.parametrize(
    "message",
    [
        "adds the numbers and multiplies by k",
        "the total of all, k times",
        "if k is there turns around, else returns it",
        "",
    ],
)
def test_t17_a_message_in_words_does_not_leak(message):
    assert not leaks(message, PROGRAM)


def test_a_proposal_has_one_function_at_top_level():
    padded = "x):\n    return x\ndef f(x):\n    return x + 1\nprint(f(3))\n\n"
    nested = "x):\n    def g(y):\n        return y + 1\n    return g(x)\nprint(f(3))\n\n"
    read = [
        parse_proposal(Kind.DEDUCTION, text, lead="def f(", num_inputs=4)
        for text in (padded, nested)
    ]
    assert read[0] == Malformed("several_functions")
    assert isinstance(read[1], Proposal)


@pytest.mark.parametrize(
    ("program", "shown"),
    [
        ("def f(x):\n    # gives 142\n    return x", "142"),
        ("def f(x):\n    return x  # [1,  2]", "[1, 2]"),
        ('def f(x):\n    """Returns \'abc\'."""\n    return x', "'abc'"),
        ("def f(x):\n    '''so\n    (1, 2)\n    '''\n    return x", "(1, 2)"),
    ],
)
def test_a_result_in_a_comment_or_docstring_gives_it_away(program, shown):
    assert gives_away(program, shown)


@pytest.mark.parametrize(
    ("program", "shown"),
    [
        ("def f(x):\n    return 142", "142"),
        ("def f(x):\n    return '# 142'", "142"),
        ("def f(x):\n    # twice\n    return x * 2", "142"),
        ("def f(x):\n    # 7 times\n    return x", "7"),
    ],
)
def test_code_and_short_results_give_nothing_away(program, shown):
    assert not gives_away(program, shown)
