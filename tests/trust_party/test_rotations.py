"""Another AID for the same consent."""

import pytest

from foundation import audit
from interparty import statements
from interparty.aid import derive, is_aid
from interparty.messages import RestoreItem
from tests.trust_party.world import ACCESS_NUMBER, CARRIER, NOW, Party, deposit_of
from trust_party import aids
from trust_party.aids import AID_KEY_PURPOSE
from trust_party.clock import DAY_MS


async def _rows(party: Party) -> int:
    return (await party.store.read("SELECT count(*) FROM authorizations"))[0][0]


async def test_the_old_aid_is_refused_and_the_new_one_active_without_a_new_confirmation(party: Party) -> None:
    old, consent = await party.active()
    before = (await party.verify_one(old)).grant
    result = await party.rotate(old)
    assert result.status == "ACTIVE"
    new = result.aid or ""
    assert is_aid(new)
    assert new != old
    assert await party.reason(old) == "ROTATED"
    # The same EDI, the same terms, the same end.
    assert (await party.verify_one(new)).grant == before
    assert len(party.live) == 1
    assert await party.store.read("SELECT 1 FROM confirmation_outbox") == []
    assert consent.edi_ids[0] == before.edi_id if before else False


async def test_replies_and_callbacks_restore_to_the_current_aid(party: Party) -> None:
    aid, consent = await party.active()
    item = RestoreItem(edi_id=consent.edi_ids[0], enterprise="ent-a", access_number=ACCESS_NUMBER)
    for _ in range(3):
        aid = (await party.rotate(aid)).aid or ""
        (answer,) = await party.restoration.restore(CARRIER, [item], NOW)
        assert answer.aid == aid


async def test_rotating_again_gives_the_aid_that_was_made(party: Party) -> None:
    old, _ = await party.active()
    first = await party.rotate(old)
    assert await party.rotate(old) == first
    assert await _rows(party) == 2
    second = await party.rotate(first.aid or "")
    # Of a chain each gives its own successor, with the status of that now.
    assert (await party.rotate(old)).aid == first.aid
    assert (await party.rotate(old)).status == "ROTATED"
    assert second.aid not in (old, first.aid)


async def test_only_an_active_aid_of_the_callers_is_rotated(party: Party) -> None:
    pending = (await party.deposit(deposit_of(party.people)))[0].aid or ""
    active, _ = await party.active()
    key = party.people.enterprises["ent-a"]
    await party.cancel("ent-a", party.people.cancellation(key, aid=(await party.active())[0]))
    for aid, enterprise in ((pending, "ent-a"), (active, "ent-b"), ("888100000000000005", "ent-a")):
        assert (await party.rotate(aid, enterprise=enterprise)).status == "UNKNOWN"
    assert (await party.rotate(active, now=NOW + 31 * DAY_MS)).status == "UNKNOWN"
    forged = party.people.rotation(party.people.enterprises["ent-b"], aid=active)
    assert (await party.rotations.rotate(party.directory.enterprises["ent-a"], [forged], NOW))[
        0
    ].status == "UNKNOWN"
    assert await party.reason(active) == ""


async def test_the_revocation_of_the_old_one_is_pushed_to_the_carrier(party: Party) -> None:
    await party.feed.load()
    old, consent = await party.active()
    await party.rotate(old)
    page = await party.feed.after(CARRIER, party.feed.epoch, 0)
    (told,) = [signed.statement for signed in page.revoked]
    assert (told.aid, told.cause, told.edi_id) == (old, "ROTATED", consent.edi_ids[0])


async def test_the_derivation_is_on_record_and_can_be_repeated(party: Party) -> None:
    old, consent = await party.active()
    result = await party.rotate(old)
    row = (
        await party.store.read(
            "SELECT key_epoch, attempt FROM authorizations WHERE replaces = ?", (int(old),)
        )
    )[0]
    assert (row["key_epoch"], row["attempt"]) == (1, 1)
    assert result.aid == derive(
        party.keys.get(AID_KEY_PURPOSE + "ent-a", 1).hmac,
        epoch=1,
        attempt=1,
        enterprise="ent-a",
        nonce=bytes.fromhex(consent.nonce),
        consent_sm3=statements.consent_sm3(consent),
    )
    assert await party.store.write(audit.verify) is None
    events = [row[0] for row in await party.store.read("SELECT event FROM audit ORDER BY sequence")]
    assert events[-1] == "authorization.rotate"


async def test_under_a_newer_key_it_is_derived_under_that(party: Party) -> None:
    old, _ = await party.active()
    party.keys.add(AID_KEY_PURPOSE + "ent-a", "hmac-sm3")
    await party.rotate(old)
    row = (
        await party.store.read(
            "SELECT key_epoch, attempt FROM authorizations WHERE replaces = ?", (int(old),)
        )
    )[0]
    assert (row["key_epoch"], row["attempt"]) == (2, 0)


async def test_a_consent_has_so_many_aids_under_one_key(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aids, "ATTEMPTS_MAX", 2)
    first, _ = await party.active()
    second = (await party.rotate(first)).aid or ""
    assert (await party.rotate(second)).status == "EXHAUSTED"
    assert await party.reason(second) == ""


async def test_the_deposit_made_again_finds_the_current_aid(party: Party) -> None:
    deposit = deposit_of(party.people)
    old = (await party.deposit(deposit))[0].aid or ""
    await party.confirm(party.people.confirmation(deposit.consent))
    new = (await party.rotate(old)).aid
    again = (await party.deposit(deposit))[0]
    assert (again.aid, again.status) == (new, "ACTIVE")


async def test_cancelling_a_replaced_aid_ends_the_consent(party: Party) -> None:
    old, _ = await party.active()
    new = (await party.rotate((await party.rotate(old)).aid or "")).aid or ""
    signed = party.people.cancellation(party.people.enterprises["ent-a"], aid=old)
    assert (await party.cancel("ent-a", signed))[0].status == "REVOKED"
    assert await party.reason(new) == "REVOKED"
    assert await party.reason(old) == "ROTATED"


async def test_what_was_rotated_survives_a_restart(party: Party) -> None:
    old, _ = await party.active()
    new = (await party.rotate(old)).aid or ""
    await party.store.close()
    again = Party(party.settings, party.people)
    await again.directory.refresh()
    await again.live.load(again.store)
    assert (await again.reason(old), await again.reason(new)) == ("ROTATED", "")
    await again.store.close()
