"""The literal grammar: as docs/values.md says, and for any text a value or one refusal."""

import ast
import contextlib
import math
import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sandbox import Call, Sandbox, Verdict, render
from sandbox.guest import canon
from sandbox.guest.literal import LiteralError, parse_arguments, parse_value
from tests.sandbox.tables import rows
from tests.sandbox.test_value import encode_or_none, values

ROWS = rows("| arguments | read as |")


def encode(value: object) -> bytes:
    return canon.encode(value, max_bytes=1 << 20)


@pytest.mark.parametrize(("text", "wanted"), ROWS, ids=[row[0] for row in ROWS])
def test_arguments_are_read_as_the_page_says(text: str, wanted: str):
    if wanted == "refused":
        with pytest.raises(LiteralError):
            parse_arguments(text)
    else:
        positional, keywords = parse_value(wanted)
        assert encode(list(parse_arguments(text))) == encode([positional, keywords])


def test_the_page_has_its_table():
    assert sum(row[1] == "refused" for row in ROWS) > 30
    assert sum(row[1] != "refused" for row in ROWS) > 15


@pytest.mark.parametrize(
    ("text", "values", "keywords"),
    [
        ("1,\n 2", [1, 2], {}),
        ("\n[1,  # one\n 2],\n\nk = 3\n", [[1, 2]], {"k": 3}),
        ("'''a\nb''', 1", ["a\nb", 1], {}),
        ("1 + \\\n 2j", [1 + 2j], {}),
        ("'a'\n'b'", ["ab"], {}),
        ("1  # ) or f(2", [1], {}),
        ("'1)+f(2'", ["1)+f(2"], {}),
    ],
)
def test_arguments_may_span_lines_and_carry_comments(text: str, values, keywords):
    assert parse_arguments(text) == (values, keywords)


@pytest.mark.parametrize(
    "text",
    [
        "1)#", "1)\n(2", "1)\n\nf(2", "1\n)\n+f(2", "1)[0", "1).x", "1)=(2", "1)if(1)else(2",
        "1); f(2", "1)\nimport os\n(2", "1)  #\n + f(2", "1, 2))", "(1", "#", "1 #\n)",
    ],
)  # fmt: skip
def test_nothing_gets_out_of_the_parentheses(text: str):
    with contextlib.suppress(LiteralError):
        positional, keywords = parse_arguments(text)
        assert (positional, keywords) == ([], {}), text  # only a comment is no argument


@pytest.mark.parametrize(
    "text",
    ["9" * 4301, "-" + "9" * 4301, "[" + "1" * 5000 + "]", "0x" + "f" * 4000, "0b1" + "0" * 14280],
)
def test_a_huge_int_is_refused_in_clear_words(text: str):
    for read in (parse_value, parse_arguments):
        with pytest.raises(LiteralError, match="an int over the limit"):
            read(text)


def test_the_largest_int_is_read():
    largest = 2**canon.MAX_INT_BITS - 1
    assert parse_value(str(largest)) == parse_value(hex(largest)) == largest


@pytest.mark.parametrize(
    "text",
    ["complex(1" + "0" * 400 + ", 1)", "1" + "0" * 400 + " + 2j", "-" + "1" + "0" * 400 + " - 1j"],
)
def test_an_int_that_no_float_holds_is_no_part_of_a_complex_number(text: str):
    with pytest.raises(LiteralError, match="limit"):
        parse_value(text)


@pytest.mark.parametrize("nest", ["[", "(", "{", "-", "frozenset([", "{1:", "(1,", "f("])
@pytest.mark.parametrize("depth", [101, 1000, 20_000])
def test_deep_nests_are_refused(nest: str, depth: int):
    close = {"[": "]", "(": ")", "{": "}", "-": "", "f": "])", "{1:": "}", "(1,": ")", "f(": ")"}
    end = close.get(nest, "])")
    text = nest * depth + "1" + end * depth
    if nest == "(" and depth < 150:
        assert parse_value(text) == 1  # parentheses alone are no nest
        return
    with pytest.raises(LiteralError):
        parse_value(text)


@given(st.text(string.printable + "\u00e9\u0661\ud800\0\ufb01", max_size=40))
@example("\x0c1")
@example("'\\d'")
@example("1if 1else 2")
@example("\\")
@example("'" * 7)
def test_any_text_is_a_value_or_refused(text: str):
    for read in (parse_value, parse_arguments):
        with contextlib.suppress(LiteralError):
            read(text)


TOKENS = [
    "1", "-", "+", "2j", "'a'", "b'b'", "(", ")", "[", "]", "{", "}", ",", ":", "=", "k", "inf",
    "nan", "set()", "frozenset", "complex", "float", "None", "True", "*", "**", "f", ".", " ",
    "\n", "#",
    "\\", "...", "lambda", "for", "in", "if", "else", "1e999", "0x1",
]  # fmt: skip


@given(st.lists(st.sampled_from(TOKENS), max_size=12).map("".join))
@settings(max_examples=400)
def test_any_row_of_tokens_is_a_value_or_refused(text: str):
    for read in (parse_value, parse_arguments):
        with contextlib.suppress(LiteralError, canon.UnencodableError):
            encode(read(text))


@given(st.lists(st.sampled_from(TOKENS), max_size=10).map("".join) | st.text(max_size=10))
@settings(max_examples=400)
def test_what_the_standard_library_reads_too_is_read_alike(text: str):
    try:
        wanted = ast.literal_eval(text)
        found = parse_value(text)
    except (LiteralError, ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return
    assert encode_or_none(found) == encode_or_none(wanted)


@given(values)
def test_repr_of_a_value_is_read_alike_where_the_standard_library_reads_it(value: object):
    data = encode_or_none(value)
    try:
        wanted = ast.literal_eval(repr(value))
    except (ValueError, TypeError):
        return  # inf, nan, frozenset
    if data is not None:
        assert encode(parse_value(repr(value))) == encode_or_none(wanted) == data


@given(st.lists(values, max_size=3), st.dictionaries(st.sampled_from("abc"), values, max_size=2))
def test_rendered_arguments_are_read_back(positional: list[object], keywords: dict[str, object]):
    if encode_or_none([positional, keywords]) is None:
        return
    texts = [render(encode(value)) for value in positional]
    texts += [f"{name}={render(encode(value))}" for name, value in keywords.items()]
    found = parse_arguments(", ".join(texts))
    assert encode(list(found)) == encode([positional, keywords])


def test_signs_stack_and_infinities_are_signed():
    assert parse_value("- - -inf") == -math.inf
    assert math.isnan(parse_value("-nan"))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["9" * 5000, "(" * 50_000, "1)+f(2", "f'{1}'", "\ud800", "\0"])
async def test_a_refused_text_is_an_invalid_call_that_says_which_list(sandbox: Sandbox, text: str):
    call = Call(program="def f(*x): return 1", args=["1", text])
    outcome = await sandbox.run(call)
    assert (outcome.verdict, outcome.failed) == (Verdict.INVALID, 1)
    assert outcome.error.startswith("arguments: ")
