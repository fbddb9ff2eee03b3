"""The short cut for plain arguments says what the grammar says, or nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.guest import canon
from sandbox.guest.literal import LiteralError, parse_arguments
from sandbox.guest.plain import parse_plain

TOKENS = (
    "0", "1", "-", "-0", "12", "01", "1.5", "-0.0", ".5", "5.", "1e5", "1E+5", "1e400", "-1e-400",
    "1_0", "0x1", "1j", "[", "]", "[]", "(", ")", "{", "}", "{}", ",", ",", ",", ":", " ", "\n",
    "\t", "\r", "\f", "'", '"', "'a'", '"a"', "''", '""', "'''", "'a b'", "'#'", "# x\n",
    "\\",
    "'\\n'", "b'a'", "f'a'", "r'a'", "u'a'", "true", "false", "null", "True", "None", "NaN",
    "Infinity", "nan", "inf", "-Infinity", "k=", "=", "*", "**", "+", "\x7f", "\x00", "\u00e9",
    "\ud800", "9" * 400,
    "9" * 4301, "set()", "lambda", ";", "...", "'a': 1", '"a": 1', "1: 2",
)  # fmt: skip
texts = st.lists(st.sampled_from(TOKENS), max_size=9).map("".join)


def read(text: str) -> bytes | None:
    """What the grammar makes of it, exactly, or None."""
    try:
        positional, keywords = parse_arguments(text)
    except LiteralError:
        return None
    return canon.encode([positional, keywords], max_bytes=1 << 20)


def agree(text: str) -> None:
    plain = parse_plain(text)
    if plain is not None:
        assert canon.encode([plain, {}], max_bytes=1 << 20) == read(text), text


@given(texts)
def test_what_the_short_cut_reads_the_grammar_reads_alike(text: str):
    agree(text)


@pytest.mark.fuzz
@settings(max_examples=20_000, deadline=None)
@given(texts)
def test_fuzz_the_short_cut(text: str):
    agree(text)


@pytest.mark.parametrize(
    "text",
    ["", "1", "-1, 2.5", "[1, [2, 'a']]", '"a", {"b": [1]}', "'it is'", " [ ]\n", "1e400", "-0.0"],
)
def test_plain_arguments_take_it(text: str):
    assert parse_plain(text) is not None
    agree(text)


@pytest.mark.parametrize(
    "text",
    ["1], [2", "true", "NaN", "-Infinity", "'\\n'", "'a\"'", "(1,)", "{1}", "k=1", "1,", "\u00e9",
     "[" * 65 + "]" * 65, "9" * 4300, "None", "1 2"],
)  # fmt: skip
def test_what_is_not_plain_is_left_to_the_grammar(text: str):
    assert parse_plain(text) is None
