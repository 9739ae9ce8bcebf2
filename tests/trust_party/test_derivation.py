"""An auditor with the keys derives AIDs again."""

import pytest

from tests.trust_party.world import NOW, Party
from trust_party import derivation
from trust_party.aids import AID_KEY_PURPOSE


async def _settle(party: Party) -> None:
    """Committed is what another connection sees."""
    await party.store.write(lambda conn: None)


async def test_an_aid_is_derived_again_and_record_and_signature_agree(party: Party) -> None:
    aid, _ = await party.active()
    await _settle(party)
    found = derivation.audit(party.settings, aid)
    assert found.verdict == "DERIVED"
    text = "\n".join(found.findings)
    for part in (
        f"{aid} is ACTIVE, of ent-a",
        "version 1, attempt 0",
        "(DEPOSIT) says the same",
        "ent-a/sign/1",
    ):
        assert part in text


async def test_so_is_one_that_replaced_another(party: Party) -> None:
    old, _ = await party.active()
    new = (await party.rotate(old)).aid or ""
    found = derivation.audit(party.settings, new)
    assert found.verdict == "DERIVED"
    assert f"it replaced {old}" in found.findings
    assert any("attempt 1" in line for line in found.findings)
    assert any("(ROTATION) says the same" in line for line in found.findings)
    assert derivation.audit(party.settings, old).verdict == "DERIVED"


async def test_destroying_the_nonce_unlinks_it_for_whoever_has_the_keys(party: Party) -> None:
    aid, _ = await party.active()
    other, _ = await party.active()
    await party.cancel("ent-a", party.people.cancellation(party.people.enterprises["ent-a"], aid=aid))
    assert await party.erasure.unlink(int(aid), "ent-a", "2026-18", NOW) == "UNLINKED"
    found = derivation.audit(party.settings, aid)
    assert found.verdict == "UNLINKED"
    assert derivation.audit(party.settings, other).verdict == "DERIVED"


async def test_what_was_never_issued_is_told_apart_for_the_auditor(party: Party) -> None:
    assert derivation.audit(party.settings, "888100000000000005").verdict == "NEVER_ISSUED"


async def test_without_the_enterprises_key_nothing_is_derived(party: Party) -> None:
    aid, _ = await party.active()
    party.keys.add(AID_KEY_PURPOSE + "ent-a", "hmac-sm3")
    party.keys.set_state(AID_KEY_PURPOSE + "ent-a", 1, "destroyed")
    assert derivation.audit(party.settings, aid).verdict == "KEY_DESTROYED"


@pytest.mark.parametrize(
    "altered",
    [
        "UPDATE authorizations SET attempt = 3",
        "UPDATE authorizations SET key_epoch = 2",
        "UPDATE authorizations SET consent_sm3 = zeroblob(32)",
        "UPDATE authorizations SET evidence_id = evidence_id + 1",
        "UPDATE deposit_batches SET consents = zeroblob(32)",
        "UPDATE deposit_batches SET signature = zeroblob(64)",
    ],
)
async def test_whatever_is_altered_on_record_is_found(party: Party, altered: str) -> None:
    aid, _ = await party.active()
    party.keys.add(AID_KEY_PURPOSE + "ent-a", "hmac-sm3")
    await party.store.write(lambda conn: conn.execute(altered).rowcount)
    assert derivation.audit(party.settings, aid).verdict == "DIFFERS"
