"""Where the time of play goes: each second is of one state, and every verdict is counted in it."""

from hypothesis import given
from hypothesis import strategies as st

from engine.play.occupancy import Occupancy
from engine.wire.messages import Kind

STATES = st.lists(st.tuples(st.sampled_from(["write", "judge"]), st.integers(0, 9)), max_size=12)


@given(STATES)
def test_a_second_is_of_writing_before_the_sandbox_before_nothing(blocks):
    now, expected = [0.0], {"writing": 0.0, "sandbox": 0.0, "idle": 0.0}
    occupancy = Occupancy(clock=lambda: now[0])
    occupancy.seconds()
    open_blocks = []
    for kind, seconds in blocks:
        same = [block for block in open_blocks if block[0] == kind]
        if len(same) == 2:  # end the older one of three
            same[0][1].__exit__(None, None, None)
            open_blocks.remove(same[0])
        else:
            block = occupancy.writing() if kind == "write" else occupancy.judging()
            block.__enter__()
            open_blocks.append((kind, block))
        kinds = {block[0] for block in open_blocks}
        state = "writing" if "write" in kinds else "sandbox" if "judge" in kinds else "idle"
        now[0] += seconds
        expected[state] += seconds
    assert occupancy.seconds() == expected


async def test_every_certificate_and_every_different_answer_is_counted(play, monkeypatch):
    entered, judging = [], Occupancy.judging

    def count(self):
        entered.append(self)
        return judging(self)

    monkeypatch.setattr(Occupancy, "judging", count)
    program = "x):\n    y = x * 2\n    return y\nprint(f(21))"
    await play(Kind.DEDUCTION, propose=[program], solve=[" 42\n", " 41\n", " 42\n", "\n"])
    certificate, fingerprint, different_answers = 1, 1, 2
    assert len(entered) == certificate + fingerprint + different_answers
