"""Incremental text: nothing lost, nothing doubled, stop strings seen at once."""

from hypothesis import given
from hypothesis import strategies as st

from engine.policy.text import TextStream


def decode(tokens):
    return bytes(tokens).decode(errors="replace")


def stream_of(tokens, stop=()):
    stream = TextStream(decode, stop=stop)
    pieces = [stream.push(token) for token in tokens]
    return [*pieces, stream.flush()], stream


@given(st.text(max_size=60))
def test_the_pieces_of_a_text_are_the_text(text):
    pieces, _ = stream_of(text.encode())
    assert "".join(pieces) == text


@given(st.lists(st.integers(0, 255), max_size=60))
def test_the_pieces_of_any_tokens_are_what_a_decoder_makes_of_all_of_them(tokens):
    pieces, _ = stream_of(tokens)
    assert "".join(pieces) == decode(tokens)


def test_an_incomplete_character_waits_for_its_last_token():
    pieces, _ = stream_of("a€".encode())
    assert pieces == ["a", "", "", "€", ""]


@given(
    st.text(alphabet="ab\né", max_size=40),
    st.lists(st.text(alphabet="ab\né", min_size=1, max_size=4), min_size=1, max_size=3),
)
def test_it_stops_with_the_token_that_completes_a_stop_string(text, stop):
    stream = TextStream(decode, stop=stop)
    seen = ""
    for token in text.encode():
        seen += stream.push(token)
        assert stream.stopped == any(s in seen for s in stop)
