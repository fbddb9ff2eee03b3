"""Which of several equal proposals is the task."""

from hypothesis import given
from hypothesis import strategies as st

from engine.play.claims import Claims

MARKS = st.sets(st.sampled_from([("form", "a"), ("form", "b"), ("behaviour", "c")]), min_size=1)
PLACES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 3)), unique=True, max_size=12
)


@given(PLACES, st.data())
def test_of_equal_proposals_the_earliest_place_has_it_whoever_came_first(places, data):
    claims = Claims()
    lost = set()
    for place in places:
        if not claims.claim([("form", "x")], place, lambda place=place: lost.add(place)):
            lost.add(place)
    holders = {place for place in places if claims.holds(place)}
    assert holders == ({min(places)} if places else set())
    assert lost == set(places) - holders


@given(PLACES, st.data())
def test_two_holders_never_share_a_mark_and_a_loser_holds_nothing(places, data):
    claims = Claims()
    marks = {place: data.draw(MARKS) for place in places}
    told = []
    held = set()
    for place in places:
        if claims.claim(marks[place], place, lambda place=place: told.append(place)):
            held.add(place)
    held -= set(told)
    assert len(told) == len(set(told)), "each is told once"
    assert {place for place in places if claims.holds(place)} == held
    taken = [mark for place in held for mark in marks[place]]
    assert len(taken) == len(set(taken)) == len(claims)
    for place in held:
        claims.release(place)
    assert len(claims) == 0
