import asyncio
from collections.abc import Callable

import pytest

from interparty.carrier_messages import ConfirmationRequest, ConfirmationRequests
from interparty.client import PeerProblem, PeerUnavailable
from interparty.messages import Accepted
from tests.trust_party.world import CARRIER, NOW, OTHER_CARRIER, Party, deposit_of
from trust_party import forwarding
from trust_party.admission import resume_enterprise, suspend_enterprise
from trust_party.directory import Carrier
from trust_party.forwarding import Forwarder


class FakeCarrier:
    """The routes of a carrier that answers as `answer` says."""

    def __init__(self, answer: Callable[[list[ConfirmationRequest]], None]) -> None:
        self._answer = answer
        self.taken: list[ConfirmationRequest] = []
        self.calls: list[int] = []

    async def request(
        self, method: str, path: str, message: ConfirmationRequests, answer: type[Accepted]
    ) -> Accepted:
        assert (method, path) == ("POST", "/v1/confirmation-requests")
        self.calls.append(len(message.requests))
        self._answer(message.requests)
        self.taken += message.requests
        return Accepted(accepted=len(message.requests))

    async def close(self) -> None:
        pass


def start(party: Party, carrier: FakeCarrier) -> Forwarder:
    quiet = FakeCarrier(lambda requests: None)

    def connect(admitted: Carrier) -> FakeCarrier:
        return carrier if admitted.id == CARRIER else quiet

    forwarder = Forwarder(party.store, party.data_keys, party.directory, connect)
    forwarder.start()
    return forwarder


@pytest.fixture(autouse=True)
def at_the_time_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "now_ms", lambda: NOW)
    monkeypatch.setattr(forwarding, "BACKOFF_FIRST_S", 0.001)
    monkeypatch.setattr(forwarding, "BACKOFF_MAX_S", 0.002)


async def emptied(party: Party) -> None:
    async with asyncio.timeout(5):
        outbox = "SELECT 1 FROM confirmation_outbox WHERE carrier = ?"
        while await party.store.read(outbox, (CARRIER,)):  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_the_carrier_gets_consent_enterprise_and_its_edis(party: Party) -> None:
    carrier = FakeCarrier(lambda requests: None)
    forwarder = start(party, carrier)
    deposit = deposit_of(party.people)
    await party.deposit(deposit)
    forwarder.deposited({CARRIER})
    await emptied(party)
    request = carrier.taken[0]
    assert request.consent == deposit.consent
    assert request.edis == deposit.edis
    assert request.enterprise_name == "Enterprise ent-a"
    await forwarder.stop()


async def test_a_carrier_gets_the_edis_that_are_sealed_to_it_alone(party: Party) -> None:
    carrier = FakeCarrier(lambda requests: None)
    forwarder = start(party, carrier)
    nonce = bytes(16)
    sealed = [party.people.seal(nonce, carrier=each) for each in (OTHER_CARRIER, CARRIER)]
    deposit = deposit_of(party.people, edis_of=sealed, nonce=nonce.hex())
    await party.deposit(deposit)
    forwarder.deposited({CARRIER, OTHER_CARRIER})
    await emptied(party)
    [request] = carrier.taken
    assert request.edis == deposit.edis[1:]
    assert request.consent.edi_ids == deposit.consent.edi_ids
    await forwarder.stop()


async def test_what_a_carrier_does_not_take_now_it_gets_later(party: Party) -> None:
    failures = 3

    def answer(requests: list[ConfirmationRequest]) -> None:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise PeerUnavailable("away")

    carrier = FakeCarrier(answer)
    await party.deposit(*[deposit_of(party.people) for _ in range(3)])
    forwarder = start(party, carrier)
    await emptied(party)
    assert carrier.calls == [3, 3, 3, 3]
    assert len(carrier.taken) == 3
    await forwarder.stop()


async def test_one_deposit_that_a_carrier_never_takes_holds_up_no_other(party: Party) -> None:
    deposits = [deposit_of(party.people, service="Bad" if at == 2 else "Good") for at in range(5)]

    def answer(requests: list[ConfirmationRequest]) -> None:
        if any(request.consent.service == "Bad" for request in requests):
            raise PeerProblem(400, "not understood")

    carrier = FakeCarrier(answer)
    await party.deposit(*deposits)
    forwarder = start(party, carrier)
    await emptied(party)
    assert sorted(request.consent.service for request in carrier.taken) == ["Good"] * 4
    await forwarder.stop()


async def test_nobody_is_asked_to_consent_to_a_suspended_enterprise(party: Party) -> None:
    carrier = FakeCarrier(lambda requests: None)
    await party.deposit(deposit_of(party.people))
    other = deposit_of(party.people, enterprise="ent-b")
    await party.deposit(other, enterprise="ent-b")
    suspend_enterprise(party.settings, "ent-a", "complaints")
    await party.directory.refresh()
    forwarder = start(party, carrier)
    async with asyncio.timeout(5):
        while not carrier.taken:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert [request.consent for request in carrier.taken] == [other.consent]
    resume_enterprise(party.settings, "ent-a", "settled")
    forwarder.deposited({CARRIER})
    await emptied(party)
    assert len(carrier.taken) == 2
    await forwarder.stop()


async def test_a_deposit_that_was_cancelled_meanwhile_is_not_sent(party: Party) -> None:
    carrier = FakeCarrier(lambda requests: None)
    await party.deposit(deposit_of(party.people))
    await party.store.write(lambda conn: conn.execute("UPDATE authorizations SET state = 4") and None)
    forwarder = start(party, carrier)
    await emptied(party)
    assert carrier.calls == []
    await forwarder.stop()
