"""AIDs that are not the asker's, by the hundred."""

import json
from collections.abc import Callable

import pytest
from starlette.exceptions import HTTPException

from foundation import audit
from interparty.messages import ConversionRequest
from tests.trust_party.world import CARRIER, NOW, OTHER_CARRIER, Party, deposit_of, item
from trust_party.guesses import Guesses
from trust_party.statuses import statuses
from trust_party.store.rows import read_nearest

UNKNOWN = "888100000000000005"


@pytest.fixture
def guesses(party: Party) -> Guesses:
    """Three at once, one a minute, and a clock that stands still."""
    made = Guesses(party.store, party.directory, 1, 3, lambda: 0.0)
    for subject in (party.verification, party.cancellations, party.rotations):
        subject._guesses = made  # type: ignore[attr-defined]
    return made


async def _alerts(party: Party) -> list[tuple[str, str]]:
    await party.store.write(lambda conn: None)
    rows = await party.store.read(
        "SELECT actor, detail FROM audit WHERE event = 'aid.guessing' ORDER BY sequence"
    )
    return [(row["actor"], json.loads(row["detail"])["enterprise"]) for row in rows]


async def test_over_the_bound_no_refusal_tells_its_reason_and_grants_are_as_ever(
    party: Party, guesses: Guesses
) -> None:
    mine, _ = await party.active()
    others, _ = await party.active(enterprise="ent-b")
    pending = (await party.deposit(deposit_of(party.people)))[0].aid or ""
    asked = (UNKNOWN, others, pending, mine)
    assert [await party.reason(aid) for aid in asked] == ["UNKNOWN_AID", "NOT_OWNER", "PENDING", ""]
    assert await party.reason(UNKNOWN) == "UNKNOWN_AID"
    assert [await party.reason(aid) for aid in asked] == ["TOO_MANY_UNKNOWN"] * 3 + [""]
    # For another enterprise, and through another carrier, nobody guessed.
    assert await party.reason(UNKNOWN, enterprise="ent-b") == "UNKNOWN_AID"
    assert await party.reason(UNKNOWN, carrier=OTHER_CARRIER) == "UNKNOWN_AID"


async def test_it_is_alerted_once_on_the_audit_chain(party: Party, guesses: Guesses) -> None:
    await party.verify(*[item(UNKNOWN)] * 100)
    await party.verify(*[item(UNKNOWN)] * 100)
    assert guesses.alerts.total() == 1
    assert await _alerts(party) == [(CARRIER, "ent-a")]
    assert await party.store.write(audit.verify) is None


async def test_names_of_enterprises_that_there_are_not_are_one(party: Party, guesses: Guesses) -> None:
    for number in range(3):
        await party.reason(UNKNOWN, enterprise=f"ent-{number}")
    assert await party.reason(UNKNOWN, enterprise="ent-77") == "TOO_MANY_UNKNOWN"
    assert await party.reason(UNKNOWN) == "UNKNOWN_AID"


async def test_an_enterprise_that_asks_for_the_status_of_others_aids_has_to_wait(
    party: Party, guesses: Guesses
) -> None:
    mine, _ = await party.active()
    await statuses(party.store, guesses, "ent-a", [mine] * 100, NOW)
    found = await statuses(party.store, guesses, "ent-a", [UNKNOWN] * 3, NOW)
    assert [one.status for one in found] == ["UNKNOWN"] * 3
    for asked in (statuses(party.store, guesses, "ent-a", [mine], NOW), party.rotate(mine)):
        with pytest.raises(HTTPException) as refused:
            await asked
        assert refused.value.status_code == 429
    assert await _alerts(party) == [("ent-a", "ent-a")]


async def test_guessing_never_keeps_anybody_from_cancelling(party: Party, guesses: Guesses) -> None:
    mine, _ = await party.active()
    key = party.people.enterprises["ent-a"]
    await party.cancel("ent-a", *[party.people.cancellation(key, aid=UNKNOWN)] * 5)
    assert guesses.alerts.total() == 1
    assert (await party.cancel("ent-a", party.people.cancellation(key, aid=mine)))[0].status == "REVOKED"


async def test_conversions_count(party: Party, guesses: Guesses) -> None:
    others, _ = await party.active(enterprise="ent-b")
    for aid in (UNKNOWN, others, UNKNOWN):
        asked = ConversionRequest(aid=aid, enterprise="ent-a")
        assert await party.verification.convert(CARRIER, asked, NOW) is None
    assert guesses.alerts.total() == 1


@pytest.mark.parametrize("of", [lambda mine: UNKNOWN, lambda mine: mine], ids=["unknown", "there"])
async def test_one_row_is_read_for_each_aid_whether_it_is_there_or_not(
    party: Party, of: Callable[[str], str]
) -> None:
    mine, _ = await party.active()
    assert len(await read_nearest(party.store, "a.aid", "", [int(of(mine))])) == 1
