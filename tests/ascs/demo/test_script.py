"""The script holds every party to what it must do: a step that is not as it must be fails, and says how."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from ascs.demo import script
from ascs.demo.layout import CONFIRMATION_NUMBER, ENTERPRISES, PEOPLE
from ascs.demo.script import Actor, StepFailed, Story, expect, until
from interparty.edi import to_text
from trust_client.bundle import Finding, Report

REFUSED = 0x0B


class Carrier:
    """What the two enterprises and the phones have in common: AIDs, who confirmed, who opted out."""

    def __init__(self) -> None:
        self.inboxes: dict[str, list[dict[str, Any]]] = {person.msisdn: [] for person in PEOPLE}
        self.codes: dict[tuple[str, str], str] = {}
        self.owners: dict[str, tuple[str, str]] = {}
        """AID to enterprise and MSISDN."""
        self.active: set[str] = set()
        self.replies: list[dict[str, Any]] = []
        self.receipts: list[dict[str, Any]] = []
        self.calls: list[dict[str, Any]] = []
        self.sealing = ("", "")
        # What a test breaks.
        self.lets_unconfirmed_through = False
        self.lets_strangers_through = False
        self.ignores_opt_out = False
        self.receipt_source: str | None = None

    def show(self, msisdn: str, sender: str, text: str) -> None:
        inbox = self.inboxes[msisdn]
        inbox.append({"index": len(inbox) + 1, "sender": sender, "text": text})


class Enterprise:
    """An enterprise's systems, as EnterpriseClient shows them."""

    def __init__(self, carrier: Carrier, place: int) -> None:
        self.carrier = carrier
        self.me = ENTERPRISES[place]

    async def nonces(self, count: int) -> list[str]:
        return ["0" * 32] * count

    async def deposit(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        enterprise, msisdn = self.carrier.sealing
        aid = f"888{len(self.carrier.owners):015d}"
        self.carrier.owners[aid] = (enterprise, msisdn)
        self.carrier.codes[msisdn, aid] = code = f"{len(self.carrier.owners):06d}"
        self.carrier.show(msisdn, CONFIRMATION_NUMBER, f"同意请回复{code}")
        return [{"aid": aid, "status": "PENDING", "error": None}]

    async def until_active(self, aids: list[str], _: float) -> bool:
        return set(aids) <= self.carrier.active

    async def statuses(self, aids: list[str]) -> list[str]:
        return ["ACTIVE" if aid in self.carrier.active else "REVOKED" for aid in aids]

    async def sms(self, aid: str, text: str) -> dict[str, Any]:
        carrier = self.carrier
        enterprise, msisdn = carrier.owners[aid]
        stranger = enterprise != self.me.id and not carrier.lets_strangers_through
        silent = aid not in carrier.active and not carrier.lets_unconfirmed_through
        if stranger or silent:
            return {"status": REFUSED, "status_name": "ESME_RINVDSTADR", "message_ids": []}
        carrier.show(msisdn, self.me.access_number, text)
        message_id = f"{len(carrier.receipts):x}"
        carrier.receipts.append(
            {"message_id": message_id, "state": "DELIVRD", "source_addr": carrier.receipt_source or aid}
        )
        return {"status": 0, "status_name": "ESME_ROK", "message_ids": [message_id.upper()]}

    async def receipts(self, after: int = 0, wait: float = 0) -> list[dict[str, Any]]:
        return self.carrier.receipts

    async def replies(self, after: int = 0, wait: float = 0) -> list[dict[str, Any]]:
        return self.carrier.replies

    async def call(self, aid: str) -> dict[str, Any]:
        record = {"id": "c1", "ended": 1, "status": 404}
        self.carrier.calls.append(record)
        return record

    async def calls(self, after: int = 0, wait: float = 0) -> list[dict[str, Any]]:
        return self.carrier.calls


class Phones:
    """The fleet, as HandsetClient shows it."""

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier

    async def seal(self, msisdn: str, enterprise: str, nonce: str) -> str:
        self.carrier.sealing = (enterprise, msisdn)
        return to_text(bytes(209))

    async def inbox(self, msisdn: str, *, after: int = 0, wait: float = 0) -> list[dict[str, Any]]:
        return [each for each in self.carrier.inboxes[msisdn] if each["index"] > after]

    async def reply(self, msisdn: str, text: str, to: str) -> None:
        carrier = self.carrier
        if to == CONFIRMATION_NUMBER:
            carrier.active |= {
                aid for (who, aid), code in carrier.codes.items() if (who, code) == (msisdn, text)
            }
            return
        owner = next(each.id for each in ENTERPRISES if each.access_number == to)
        aid = next(aid for aid, holder in carrier.owners.items() if holder == (owner, msisdn))
        carrier.replies.append({"text": text, "source_addr": aid})
        if text == "TD" and not carrier.ignores_opt_out:
            carrier.active.discard(aid)
            carrier.show(msisdn, to, "您已退订")


@pytest.fixture
def carrier() -> Carrier:
    return Carrier()


@pytest.fixture
def story(carrier: Carrier, monkeypatch: pytest.MonkeyPatch) -> Story:
    monkeypatch.setattr(script, "STEP_S", 0.05)
    monkeypatch.setattr(script, "LOOK_AGAIN_S", 0.001)
    monkeypatch.setattr(script, "REFUSED_WITHIN_MS", 50)
    a, b = (Actor(each, Enterprise(carrier, place)) for place, each in enumerate(ENTERPRISES))  # type: ignore[arg-type]
    return Story(a, b, PEOPLE, Phones(carrier))  # type: ignore[arg-type]


def test_what_is_expected_holds_or_is_said() -> None:
    expect(True, "the sky is blue")
    with pytest.raises(StepFailed, match="the sky is blue"):
        expect(False, "the sky is blue")


async def test_an_answer_is_awaited_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "STEP_S", 0.05)
    monkeypatch.setattr(script, "LOOK_AGAIN_S", 0.001)
    answers = [[], [1], [1, 2]]

    async def ask() -> list[int]:
        return answers.pop(0) if answers else []

    assert await until(ask, lambda each: each == 2, "no two") == 2
    with pytest.raises(StepFailed, match="no three: not within"):
        await until(ask, lambda each: each == 3, "no three")


class TestConsents:
    async def test_everybody_confirms_and_has_an_aid_an_enterprise(
        self, story: Story, carrier: Carrier, capsys: pytest.CaptureFixture[str]
    ) -> None:
        await story.consents()
        aids = [aid for actor in (story.a, story.b) for aid in actor.aids.values()]
        assert len(set(aids)) == 2 * len(PEOPLE)
        assert carrier.active == set(aids)
        told = capsys.readouterr().out
        assert all(aid in told for aid in aids)

    async def test_an_aid_that_nobody_confirmed_must_not_be_reachable(
        self, story: Story, carrier: Carrier
    ) -> None:
        carrier.lets_unconfirmed_through = True
        with pytest.raises(StepFailed, match="nobody confirmed was contacted"):
            await story.consents()


class TestMessage:
    async def test_text_receipt_and_reply_are_under_the_aid(
        self, story: Story, capsys: pytest.CaptureFixture[str]
    ) -> None:
        await story.consents()
        await story.message()
        told = capsys.readouterr().out
        aid = story.a.aids[PEOPLE[0].name]
        assert f"receipt from {aid}: DELIVRD" in told
        assert f"deliver_sm from {aid}: 好的，今晚去取" in told

    async def test_a_receipt_under_the_number_fails_the_step(self, story: Story, carrier: Carrier) -> None:
        await story.consents()
        carrier.receipt_source = PEOPLE[0].msisdn
        with pytest.raises(StepFailed, match="receipt is not under the AID"):
            await story.message()


class TestStranger:
    async def test_an_aid_is_worth_nothing_to_another_enterprise(
        self, story: Story, capsys: pytest.CaptureFixture[str]
    ) -> None:
        await story.consents()
        await story.stranger()
        assert "ESME_RINVDSTADR" in capsys.readouterr().out

    async def test_one_that_gets_through_fails_the_step(self, story: Story, carrier: Carrier) -> None:
        await story.consents()
        carrier.lets_strangers_through = True
        with pytest.raises(StepFailed, match="another enterprise's AID"):
            await story.stranger()


class TestOptOut:
    async def test_it_holds_at_once(self, story: Story, capsys: pytest.CaptureFixture[str]) -> None:
        await story.consents()
        await story.opt_out()
        assert "REVOKED" in capsys.readouterr().out

    async def test_one_that_does_not_hold_fails_the_step(self, story: Story, carrier: Carrier) -> None:
        await story.consents()
        carrier.ignores_opt_out = True
        with pytest.raises(StepFailed, match="ms after TD"):
            await story.opt_out()


class FakeDesk:
    """A regulator that finds what it is told to."""

    def __init__(self, aids: list[str], kinds: Sequence[str], *, proved: bool = True) -> None:
        self.witnesses: dict[str, Any] = {"CMCC": [], "ent-a": [], "regulator": []}
        self._report = Report([Finding(proved, "2 of 3 witnesses saw this checkpoint")])
        self._aids = aids
        bundle = SimpleNamespace(checkpoint=SimpleNamespace(size=64))
        evidence = SimpleNamespace(records=[{"kind": kind} for kind in kinds], bundles=[bundle])
        self._evidence = [evidence for _ in aids]

    async def look_into(self, number: str, enterprise: str) -> Any:
        assert (number, enterprise) == (PEOPLE[0].msisdn, ENTERPRISES[0].id)
        outcomes = [SimpleNamespace(carrier="CMCC", outcome="ANSWERED")]
        answer = SimpleNamespace(aids=self._aids, outcomes=outcomes)
        reports = [self._report for _ in self._evidence]
        return SimpleNamespace(case="case-1", answer=answer, evidence=self._evidence, reports=reports)


class TestComplaint:
    KINDS = ("DEPOSIT", "CONFIRMATION", "COMMUNICATION", "COMMUNICATION", "CANCELLATION")

    async def test_the_number_leads_to_the_aid_and_its_evidence(
        self, story: Story, capsys: pytest.CaptureFixture[str]
    ) -> None:
        await story.consents()
        desk: Any = FakeDesk([story.a.aids[PEOPLE[0].name]], self.KINDS)
        await story.complaint(desk)
        told = capsys.readouterr().out
        assert "2 × COMMUNICATION" in told
        assert "(CMCC, ent-a, regulator) witnessed the log of 64 leaves: 3 of 3" in told

    async def test_evidence_that_the_witnesses_did_not_all_see_fails_the_step(self, story: Story) -> None:
        await story.consents()
        desk: Any = FakeDesk([story.a.aids[PEOPLE[0].name]], self.KINDS, proved=False)
        with pytest.raises(StepFailed, match="2 of 3 witnesses saw this checkpoint"):
            await story.complaint(desk)

    async def test_another_aid_or_evidence_that_lacks_something_fails_the_step(self, story: Story) -> None:
        await story.consents()
        own, other = story.a.aids[PEOPLE[0].name], story.b.aids[PEOPLE[0].name]
        for aids, kinds, said in (
            ([own, other], self.KINDS, "query by number found"),
            ([own], self.KINDS[1:], "the evidence is"),
        ):
            desk: Any = FakeDesk(aids, kinds)
            with pytest.raises(StepFailed, match=said):
                await story.complaint(desk)


async def test_the_end_says_who_saw_what(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    await story.consents()
    capsys.readouterr()
    story.summary()
    rows = capsys.readouterr().out.splitlines()
    with_number = [row for row in rows if PEOPLE[0].msisdn in row]
    assert len(with_number) == 1
    assert with_number[0].strip().startswith("Carrier")
