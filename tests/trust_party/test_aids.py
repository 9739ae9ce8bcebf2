import pytest

from tests.trust_party.world import NOW, Party, People, deposit_of
from trust_party.aids import MOVES, STATUS, State, Terms, TermsCache, move, state_at


def test_only_a_pending_aid_becomes_active() -> None:
    assert [before for before in State if State.ACTIVE in MOVES[before]] == [State.PENDING]


def test_nothing_comes_back_from_revoked_or_rotated() -> None:
    assert MOVES[State.REVOKED] == MOVES[State.ROTATED] == frozenset()


def test_every_state_has_its_name_on_the_wire() -> None:
    assert {state.name: STATUS[state] for state in State} == {state.name: state.name for state in State}


@pytest.mark.parametrize(
    ("state", "now", "seen"),
    [
        (State.PENDING, 99, State.PENDING),
        (State.PENDING, 100, State.EXPIRED),
        (State.ACTIVE, 199, State.ACTIVE),
        (State.ACTIVE, 200, State.EXPIRED),
        (State.REVOKED, 300, State.REVOKED),
        (State.ROTATED, 300, State.ROTATED),
    ],
)
def test_expiry_counts_from_its_moment(state: State, now: int, seen: State) -> None:
    assert state_at(state, not_after=200, pending_until=100, now_ms=now) is seen


async def test_a_move_that_is_not_in_the_table_is_refused(party: Party) -> None:
    aid, _ = await party.active()
    with pytest.raises(ValueError, match="does not go"):
        await party.store.write(lambda conn: move(conn, int(aid), State.REVOKED, State.ACTIVE, NOW))
    with pytest.raises(ValueError, match="is not PENDING"):
        await party.store.write(lambda conn: move(conn, int(aid), State.PENDING, State.ACTIVE, NOW))


def test_equal_terms_are_one_text(people: People) -> None:
    one = deposit_of(people, channels=["sms", "voice"], access_numbers=["111", "222"]).consent
    two = deposit_of(people, channels=["voice", "sms"], access_numbers=["222", "111"]).consent
    assert Terms.body_of(one) == Terms.body_of(two)
    cache = TermsCache()
    terms = cache.get(1, Terms.body_of(one))
    assert cache.get(1, "") is terms
    assert terms.channels == {"sms", "voice"}
    assert terms.access_numbers == {"111", "222"}
