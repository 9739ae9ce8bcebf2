"""What the trust party's operator does with keys, and what is on record of it."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from evidence.succession import Succession, follow
from foundation import audit, pki
from foundation.identities import parse_key_id
from gm.errors import KeyStoreError
from gm.sm2 import PrivateKey, PublicKey
from interparty import custody, key_delivery, key_house, key_ledger, statements
from interparty.custody import CustodyError
from interparty.key_house import HouseError
from interparty.key_messages import KeyOrder, SignedKeyApproval
from interparty.text import b64url_decode
from tests.trust_party.world import CARRIER, NOW, Party
from trust_party.app import init
from trust_party.clock import now_ms
from trust_party.key_operations import TrustHouse, open_house
from trust_party.keys import open_store
from trust_party.settings import TrustSettings

PEOPLE = {name: PrivateKey.generate() for name in ("li", "wang")}


@pytest.fixture
def house(settings: TrustSettings) -> TrustHouse:
    return TrustHouse(settings, open_store(settings), None)


def enrol(house: TrustHouse) -> None:
    with house.transaction() as conn:
        for name, key in PEOPLE.items():
            custody.enrol_first(conn, name, name, key.public_key, NOW)


def events(house: TrustHouse) -> list[dict[str, Any]]:
    """Statements of what is in the evidence log about keys of the trust party's own; the audit chain has the same."""
    with house.transaction() as conn:
        assert audit.verify(conn) is None
        opened = [
            json.loads(house.evidence.open(conn, number).record)
            for number in range(house.evidence.next_id(conn))
        ]
        audited = [row[0] for row in conn.execute("SELECT event FROM audit ORDER BY sequence")]
        ledger = key_ledger.events(conn)
    told = [one for one in opened if one["kind"] == "KEY"]
    assert [f"key.{one['event']}" for one in told] == [each for each in audited if each.startswith("key.")]
    own = [one for one in told if "statement" in one]
    for one in own:
        key = house.keys.get("sign", parse_key_id(one["keyid"]).version)
        assert statements.verify(key.public, statements.KEYEVENT, one["statement"], one["signature"])
    assert [one["statement"] for one in own] == [event.fields() for event, _ in ledger]
    assert all(is_told for _, is_told in ledger)
    assert [one["statement"]["sequence"] for one in own] == list(range(1, len(own) + 1))
    return [one["statement"] for one in own]


def records(house: TrustHouse) -> list[tuple[str, str, int]]:
    """Event, purpose and version since the first of each."""
    said = [(one["event"], one.get("purpose", ""), one.get("version", 0)) for one in events(house)]
    first = [("made", purpose, 1) for purpose in house.keys.purposes()]
    assert set(first) <= set(said)
    return [one for one in said if one not in first]


@pytest.mark.parametrize("purpose", ["agreement", "envelope", "data", "index", "aid/ent-a", "log"])
async def test_a_key_of_ones_own_is_replaced_at_once_and_each_transition_is_evidence(
    house: TrustHouse, purpose: str
) -> None:
    rotated = await key_house.rotate(house, purpose, now_ms)
    assert (rotated.key.version, rotated.key.state) == (2, "active")
    assert [key.state for key in house.keys.keys(purpose)] == ["retired", "active"]
    assert records(house) == [("made", purpose, 2), ("retired", purpose, 1), ("activated", purpose, 2)]


async def test_a_sign_key_waits_until_every_carrier_has_it(settings: TrustSettings) -> None:
    pki.make_ca(settings.data_dir / "ca", "Test CA")
    pki.make_party(settings.data_dir / "pki", settings.data_dir / "ca", "ttp")
    async with open_house(settings) as house:
        rotated = await key_house.rotate(house, "sign", now_ms)
        assert rotated.key.state == "pre-active"
        assert rotated.undelivered.keys() == {CARRIER, "CUCC"}  # nothing listens there
        again = await key_house.rotate(house, "sign", now_ms)
        assert again.key.version == 2
        key_house.activate(house, "sign", 2, now_ms())
        assert house.keys.current("sign").version == 2
        with pytest.raises(KeyStoreError):
            key_house.activate(house, "sign", 1, now_ms())


@pytest.mark.parametrize(
    ("purpose", "why"),
    [(f"http/{CARRIER}", "carrier makes"), ("aid/nobody", "no such")],
)
async def test_what_is_not_rotated_here(house: TrustHouse, purpose: str, why: str) -> None:
    with pytest.raises(HouseError, match=why):
        await key_house.rotate(house, purpose, now_ms)


async def test_the_logs_keys_vouch_for_each_other(party: Party, house: TrustHouse) -> None:
    for _ in range(2):
        await key_house.rotate(house, "log", now_ms)
    party.keys.refresh()
    told = (await party.key_exchange.log_keys()).keys
    first = PublicKey.from_bytes(bytes.fromhex(told[0].public_key))
    said = [
        Succession(
            bytes.fromhex(one.predecessor or ""),
            PublicKey.from_bytes(bytes.fromhex(one.public_key)),
            b64url_decode(one.signature or ""),
        )
        for one in told[1:]
    ]
    assert [key.to_bytes() for key in follow(first, said)] == [
        key.public.to_bytes() for key in house.keys.keys("log")
    ]


def destroy(house: TrustHouse, purpose: str, version: int, *names: str) -> None:
    key_house.carry_out(house, *approved("destroy", *names, purpose=purpose, version=version), now_ms())


def approved(operation: str, *names: str, **fields: Any) -> tuple[KeyOrder, list[SignedKeyApproval]]:
    order = custody.draw_up("ttp", operation, now_ms(), **fields)
    return order, [custody.approve(order, name, PEOPLE[name], now_ms()) for name in names]


async def test_two_destroy_a_key_that_is_not_in_use(house: TrustHouse) -> None:
    enrol(house)
    with pytest.raises(HouseError, match="rotate it first"):
        destroy(house, "agreement", 1, "li", "wang")
    await key_house.rotate(house, "agreement", now_ms)
    with pytest.raises(CustodyError):
        destroy(house, "agreement", 1, "li")
    assert house.keys.get("agreement", 1).material
    destroy(house, "agreement", 1, "li", "wang")
    assert house.keys.keys("agreement")[0].material == b""
    assert records(house)[-1] == ("destroyed", "agreement", 1)


def test_two_export_a_key_to_one_who_can_open_it(house: TrustHouse) -> None:
    enrol(house)
    recipient = PrivateKey.generate()
    order = custody.draw_up(
        "ttp",
        "export",
        now_ms(),
        purpose="aid/ent-a",
        version=1,
        recipient=recipient.public_key.to_bytes().hex(),
    )
    approvals = [custody.approve(order, name, key, now_ms()) for name, key in PEOPLE.items()]
    envelope = key_house.carry_out(house, order, approvals, now_ms())
    assert recipient.decrypt(envelope) == house.keys.current("aid/ent-a").material
    assert records(house) == [("exported", "aid/ent-a", 1)]
    with pytest.raises(CustodyError, match="before"):
        key_house.carry_out(house, order, approvals, now_ms())


async def test_a_key_comes_as_a_file(settings: TrustSettings, party: Party) -> None:
    new = PrivateKey.generate().public_key
    async with open_house(settings) as house:
        notice = key_delivery.KeyNotice(
            party="ent-a",
            recipient="ttp",
            key="sign",
            version=2,
            algorithm="sm2",
            value=new.to_bytes().hex(),
            state="pre-active",
            at=now_ms(),
        )
        signed = key_delivery.sign(notice, "ent-a/sign/1", party.people.enterprises["ent-a"])
        envelope = key_delivery.seal(signed, house.keys.current("envelope").public)
        assert house.receive("ent-a", envelope) == ("ent-a/sign/2", True)
        assert house.receive("ent-a", envelope) == ("ent-a/sign/2", False)
        with pytest.raises(HouseError, match="not admitted"):
            house.receive("nobody", envelope)
    await party.directory.refresh()
    assert party.directory.lookup("ent-a/sign/2") == new


def test_a_change_that_is_not_on_record_is_not_made(
    house: TrustHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk full")

    monkeypatch.setattr(house, "record", fail)
    enrol(house)
    order = custody.draw_up("ttp", "destroy", now_ms(), purpose="agreement", version=1)
    approvals = [custody.approve(order, name, key, now_ms()) for name, key in PEOPLE.items()]
    house.keys.add("agreement", "sm2")
    with pytest.raises(sqlite3.OperationalError):
        key_house.carry_out(house, order, approvals, now_ms())
    assert house.keys.get("agreement", 1).material


class Killed(BaseException):
    """The process is no more: nothing after this runs."""


@contextlib.contextmanager
def killed_before_the_commit(house: TrustHouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The next transaction changes the key store, and is gone before the database has it."""
    whole = house.transaction

    @contextlib.contextmanager
    def cut() -> Iterator[sqlite3.Connection]:
        with whole() as conn:
            yield conn
            raise Killed

    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(house, "transaction", cut)
        yield


def test_a_key_that_a_crash_kept_from_the_record_is_found_at_the_next_start(
    house: TrustHouse, settings: TrustSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = events(house)
    with killed_before_the_commit(house, monkeypatch):
        key_house.make(house, "agreement", now_ms())
    assert [key.state for key in house.keys.keys("agreement")] == ["active", "pre-active"]
    assert events(house) == before
    for _ in range(2):
        init(settings)
    (found,) = events(house)[len(before) :]
    assert (found["event"], found["version"], found["found"]) == ("made", 2, True)
    # And what was begun goes on.
    key_house.activate(house, "agreement", 2, now_ms())
    assert [(one["event"], one["version"], one["found"]) for one in events(house)[-2:]] == [
        ("retired", 1, False),
        ("activated", 2, False),
    ]


def test_an_activation_that_was_not_recorded_is_found_by_the_next_command(
    house: TrustHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_house.make(house, "sign", now_ms())
    before = events(house)
    with killed_before_the_commit(house, monkeypatch):
        key_house.activate(house, "sign", 2, now_ms())
    key_house.make(house, "envelope", now_ms())
    new = events(house)[len(before) :]
    assert [(one["event"], one["purpose"], one["version"], one["found"]) for one in new] == [
        ("retired", "sign", 1, True),
        ("activated", "sign", 2, True),
        ("made", "envelope", 2, False),
        ("retired", "envelope", 1, False),
        ("activated", "envelope", 2, False),
    ]


async def test_who_approved_a_destruction_can_be_recorded_after_a_crash(
    house: TrustHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol(house)
    await key_house.rotate(house, "agreement", now_ms)
    order = approved("destroy", "li", "wang", purpose="agreement", version=1)
    with killed_before_the_commit(house, monkeypatch):
        key_house.carry_out(house, *order, now_ms())
    assert house.keys.keys("agreement")[0].material == b""
    key_house.carry_out(house, *order, now_ms())
    found, said = events(house)[-2:]
    assert (found["event"], found["found"], found.get("approved_by")) == ("destroyed", True, None)
    assert (said["event"], said["found"], said["approved_by"]) == ("destroyed", False, ["li", "wang"])
    with pytest.raises(KeyStoreError, match="destroyed"):
        destroy(house, "agreement", 1, "li", "wang")


def test_a_record_of_a_change_that_the_key_store_has_not_is_found_too(
    house: TrustHouse, settings: TrustSettings
) -> None:
    """The other order: the database is ahead, as it is when the file comes from a backup."""
    backup = settings.keystore.path.read_bytes()
    key_house.make(house, "agreement", now_ms())
    settings.keystore.path.write_bytes(backup)
    before = len(events(house))
    init(settings)
    house.keys.refresh()
    new = events(house)[before:]
    assert [(one["event"], one["version"], one["state_from"], one["state_to"]) for one in new] == [
        ("restored", 1, "retired", "active"),
        ("missing", 2, "active", "missing"),
    ]
    assert all(one["found"] for one in new)
