import json

import pytest

from gm.sm2 import PrivateKey, PublicKey
from interparty.messages import ConversionRequest, RestoreItem
from tests.trust_party.world import (
    ACCESS_NUMBER,
    CARRIER,
    EDI_KEY,
    HMAC_KEY,
    NOW,
    OTHER_CARRIER,
    REGULATOR,
    Party,
    People,
)
from trust_party.admission import (
    AdmissionError,
    add_sign_key,
    admit_carrier,
    admit_enterprise,
    admit_regulator,
    apply_enterprise,
    approve_enterprise,
    resume_enterprise,
    suspend_enterprise,
)
from trust_party.aids import AID_KEY_PURPOSE
from trust_party.settings import TrustSettings


def carrier_fields(people: People) -> dict[str, object]:
    return {
        "edi_key_id": EDI_KEY,
        "edi_public_pem": people.edi_key.public_key.to_pem(),
        "sign_public_pem": people.carriers[CARRIER].public_key.to_pem(),
        "hmac_key": HMAC_KEY,
    }


async def test_a_running_trust_party_sees_an_admission(party: Party) -> None:
    key = PrivateKey.generate()
    assert await party.directory.refresh() is False
    admitted = admit_enterprise(party.settings, "ent-c", "C", key.public_key.to_pem())
    assert admitted.sign_keyid == "ent-c/sign/1"
    assert await party.directory.refresh() is True
    assert party.directory.enterprises["ent-c"].name == "C"
    found = party.directory.lookup("ent-c/sign/1")
    assert isinstance(found, PublicKey)
    assert found == key.public_key
    assert party.keys.current(AID_KEY_PURPOSE + "ent-c").version == 1


async def test_an_application_is_nobody_until_it_is_approved(party: Party) -> None:
    key = PrivateKey.generate()
    apply_enterprise(party.settings, "ent-c", "C", key.public_key.to_pem())
    await party.directory.refresh()
    assert party.directory.caller("ent-c") is None
    assert party.directory.lookup("ent-c/sign/1") is None
    with pytest.raises(AdmissionError, match="another role"):
        admit_regulator(party.settings, "ent-c", "C", key.public_key.to_pem())
    approve_enterprise(party.settings, "ent-c")
    await party.directory.refresh()
    assert party.directory.caller("ent-c") is not None
    assert party.keys.current(AID_KEY_PURPOSE + "ent-c").version == 1
    with pytest.raises(AdmissionError, match="ent-c is ADMITTED, not APPLIED"):
        approve_enterprise(party.settings, "ent-c")
    with pytest.raises(AdmissionError, match="admitted already"):
        apply_enterprise(party.settings, "ent-c", "C", key.public_key.to_pem())


async def test_nobody_is_contacted_for_an_enterprise_that_is_suspended(party: Party) -> None:
    aid, consent = await party.active()
    other, _ = await party.active(enterprise="ent-b")
    restore = RestoreItem(edi_id=consent.edi_ids[0], enterprise="ent-a", access_number=ACCESS_NUMBER)
    conversion = ConversionRequest(aid=aid, enterprise="ent-a")
    assert await party.reason(aid) == ""
    suspend_enterprise(party.settings, "ent-a", "complaints")
    await party.directory.refresh()
    assert await party.reason(aid) == "SUSPENDED"
    assert await party.reason("888100000000000005") == "UNKNOWN_AID"
    assert await party.reason(other, enterprise="ent-b") == ""
    (answer,) = await party.restoration.restore(CARRIER, [restore], NOW)
    assert answer.refusal is not None
    assert answer.refusal.reason == "SUSPENDED"
    assert await party.verification.convert(CARRIER, conversion, NOW) is None
    resume_enterprise(party.settings, "ent-a", "settled")
    await party.directory.refresh()
    assert await party.reason(aid) == ""


async def test_every_carrier_is_told_of_a_suspension_and_of_its_end(party: Party) -> None:
    await party.feed.load()
    suspend_enterprise(party.settings, "ent-a", "complaints")
    resume_enterprise(party.settings, "ent-a", "settled")
    await party.feed.refresh()
    for carrier in (CARRIER, OTHER_CARRIER):
        page = await party.feed.after(carrier, party.feed.epoch, 0)
        assert [(one.statement.enterprise, one.statement.cause) for one in page.revoked] == [
            ("ent-a", "SUSPENDED"),
            ("ent-a", "RESUMED"),
        ]
        assert page.newest == 2


async def test_admitting_a_suspended_enterprise_again_does_not_resume_it(party: Party) -> None:
    suspend_enterprise(party.settings, "ent-a", "complaints")
    admit_enterprise(party.settings, "ent-a", "A", PrivateKey.generate().public_key.to_pem())
    await party.directory.refresh()
    assert party.directory.suspended == {"ent-a"}


async def test_each_decision_is_on_the_audit_chain_with_its_reason(party: Party) -> None:
    suspend_enterprise(party.settings, "ent-a", "complaints")
    resume_enterprise(party.settings, "ent-a", "settled")
    rows = await party.store.read("SELECT event, detail FROM audit ORDER BY sequence DESC LIMIT 2")
    assert [row["event"] for row in rows] == ["enterprise.resume", "enterprise.suspend"]
    assert json.loads(rows[1]["detail"])["reason"] == "complaints"
    with pytest.raises(AdmissionError, match="reason"):
        suspend_enterprise(party.settings, "ent-a", "")


def test_admitting_again_keeps_the_keys_and_a_new_key_gets_the_next_version(
    settings: TrustSettings, people: People
) -> None:
    pem = people.enterprises["ent-a"].public_key.to_pem()
    assert admit_enterprise(settings, "ent-a", "Renamed", pem).sign_keyid == "ent-a/sign/1"
    further = PrivateKey.generate().public_key.to_pem()
    assert admit_enterprise(settings, "ent-a", "Renamed", further).sign_keyid == "ent-a/sign/2"
    fields = carrier_fields(people) | {"hmac_key": bytes(32)}
    admitted = admit_carrier(settings, CARRIER, "C", "https://localhost:1", **fields)  # type: ignore[arg-type]
    assert (admitted.sign_keyid, admitted.http_keyid) == ("CMCC/sign/1", "CMCC/http/2")


def test_a_party_of_any_role_gets_a_further_key(settings: TrustSettings) -> None:
    for party in ("ent-a", CARRIER, REGULATOR):
        key = PrivateKey.generate().public_key.to_pem()
        assert add_sign_key(settings, party, key).sign_keyid == f"{party}/tool/1"
        assert add_sign_key(settings, party, key).sign_keyid == f"{party}/tool/1"
    with pytest.raises(AdmissionError, match="no such party"):
        add_sign_key(settings, "nobody", PrivateKey.generate().public_key.to_pem())


def test_an_id_has_one_role(settings: TrustSettings, people: People) -> None:
    with pytest.raises(AdmissionError, match="another role"):
        admit_enterprise(settings, CARRIER, "C", people.edi_key.public_key.to_pem())
    with pytest.raises(AdmissionError, match="another role"):
        admit_regulator(settings, "ent-a", "R", people.edi_key.public_key.to_pem())


@pytest.mark.parametrize(
    ("carrier", "url", "changed"),
    [
        ("CMC", "https://localhost:1", {}),
        (CARRIER, "http://localhost:1", {}),
        (CARRIER, "https://localhost:1/path", {}),
        (CARRIER, "https://localhost:1", {"edi_key_id": "12345"}),
        (CARRIER, "https://localhost:1", {"sign_public_pem": b"not a key"}),
        (CARRIER, "https://localhost:1", {"edi_public_pem": PrivateKey.generate().public_key.to_pem()}),
    ],
)
def test_what_is_not_admitted(
    settings: TrustSettings, people: People, carrier: str, url: str, changed: dict[str, object]
) -> None:
    with pytest.raises(AdmissionError):
        admit_carrier(settings, carrier, "C", url, **(carrier_fields(people) | changed))  # type: ignore[arg-type]
