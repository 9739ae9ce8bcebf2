"""The consent backend: one nonce, one consent; it signs what the page said and never sees an identifier."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gm.sm3 import sm3
from interparty.deposit_messages import AidStatus, CancellationResult, Deposit, DepositResult
from interparty.edi import edi_id, to_text
from interparty.messages import Cancellation
from interparty.party_link import PartyLinkSettings
from simulators.enterprise import backend as module
from simulators.enterprise.aids import AidBook
from simulators.enterprise.backend import Backend, ConsentRefused, Given
from simulators.enterprise.settings import (
    ConsentSettings,
    EnterpriseSettings,
    SipSettings,
    SmppSettings,
)

AIDS = ["888100000000000017", "888132341582397708"]
EDI = b"EDI1\x02CMCC0001\x01\x35\x27\x0e" + bytes(192)
NOW_MS = 1_793_500_000_000


class TrustParty:
    """An EnterpriseClient in memory: gives AIDs in turn, refuses when they are used up."""

    def __init__(self) -> None:
        self.deposits: list[Deposit] = []
        self.statuses_of: dict[str, Any] = {}
        self.cancelled: list[Cancellation] = []

    async def deposit(self, deposits: Sequence[Deposit]) -> list[DepositResult]:
        results = []
        for deposit in deposits:
            given = len(self.deposits)
            self.deposits.append(deposit)
            if given < len(AIDS):
                results.append(DepositResult(aid=AIDS[given], evidence_id="0", status="PENDING"))
            else:
                results.append(DepositResult(error="REFUSED"))
        return results

    async def statuses(self, aids: Sequence[str]) -> list[AidStatus]:
        return [AidStatus(aid=aid, status=self.statuses_of.get(aid, "ACTIVE")) for aid in aids]

    async def cancel(self, cancellations: Sequence[Cancellation]) -> list[CancellationResult]:
        self.cancelled += cancellations
        return [CancellationResult(status="REVOKED")]


def settings_in(folder: Path) -> EnterpriseSettings:
    link = {"url": "https://127.0.0.1:1", "party": "ttp", "sign_key_id": "ent-a/sign/1", "sign_key": "k"}
    return EnterpriseSettings(
        id="ent-a",
        name="快递公司",
        access_numbers=["10690001"],
        aids_file=folder / "aids.csv",
        smpp=SmppSettings(system_id="esme", password="secret"),
        sip=SipSettings(domain="aid.example", username="desk", password="secret"),
        trust=PartyLinkSettings.model_validate(link | {"ca": "a", "cert": "b", "key": "c"}),
        consent=ConsentSettings(service="送件通知", term_days=30),
        log_dir=folder,
    )


@pytest.fixture
def party() -> TrustParty:
    return TrustParty()


@pytest.fixture
def book(tmp_path: Path) -> AidBook:
    return AidBook(tmp_path / "aids.csv")


@pytest.fixture
def backend(tmp_path: Path, party: TrustParty, book: AidBook) -> Backend:
    return Backend(settings_in(tmp_path), party, book)  # type: ignore[arg-type]


def given(nonce: str) -> Given:
    return Given(nonce, [to_text(EDI)])


def test_the_consent_says_what_the_page_said(backend: Backend) -> None:
    consent = backend.consent(given("00" * 16), NOW_MS)
    assert (consent.enterprise, consent.service) == ("ent-a", "送件通知")
    assert (consent.term_from, consent.term_to) == (NOW_MS, NOW_MS + 30 * 86_400_000)
    assert consent.edi_ids == [edi_id(EDI).hex()]
    assert consent.agreement_sm3 == sm3(ConsentSettings(service="").agreement.encode()).hex()
    assert (consent.nonce, consent.collected_at) == ("00" * 16, NOW_MS)


def test_what_is_no_edi_is_no_consent(backend: Backend) -> None:
    with pytest.raises(ConsentRefused, match="not an encrypted device identifier"):
        backend.consent(Given("00" * 16, ["8613800000001"]), NOW_MS)


async def test_aids_that_were_given_are_in_the_file(backend: Backend, book: AidBook) -> None:
    results = await backend.deposit([given(nonce) for nonce in backend.nonces(3)])
    assert [result.aid for _, result in results] == [*AIDS, None]
    assert results[2][1].error == "REFUSED"
    assert book.all() == AIDS


async def test_a_nonce_is_good_for_one_consent_of_ours(backend: Backend, party: TrustParty) -> None:
    [nonce] = backend.nonces(1)
    await backend.deposit([given(nonce)])
    for other in (nonce, "ff" * 16):
        with pytest.raises(ConsentRefused, match="nonce"):
            await backend.deposit([given(other)])
    assert len(party.deposits) == 1


async def test_pages_that_are_left_open_are_forgotten_the_oldest_first(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "NONCES_MAX", 2)
    first, second, third = (backend.nonces(1)[0] for _ in range(3))
    assert len({first, second, third}) == 3
    with pytest.raises(ConsentRefused):
        await backend.deposit([given(first)])
    await backend.deposit([given(second), given(third)])


async def test_an_aid_that_is_over_for_good_leaves_the_file(
    backend: Backend, party: TrustParty, book: AidBook
) -> None:
    await backend.deposit([given(nonce) for nonce in backend.nonces(2)])
    party.statuses_of = {AIDS[0]: "REVOKED", AIDS[1]: "PENDING"}
    found = await backend.statuses(AIDS)
    assert [each.status for each in found] == ["REVOKED", "PENDING"]
    assert book.all() == AIDS[1:]


async def test_a_person_cancels_at_the_enterprise(backend: Backend, party: TrustParty) -> None:
    assert (await backend.cancel(AIDS[0])).status == "REVOKED"
    [statement] = party.cancelled
    assert (statement.aid, statement.enterprise, statement.cause) == (AIDS[0], "ent-a", "USER")
