"""The demo's script: what two enterprises and three people do, told as a ladder.

It learns what it knows through SMPP and SIP (as the enterprises' systems saw them) and the handsets' own
screens, never from a party's files.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from ascs.demo.enterprise_client import EnterpriseClient
from ascs.demo.ladder import Ladder, width
from ascs.demo.layout import APPROVERS, CONFIRMATION_NUMBER, DemoEnterprise, Person
from ascs.demo.regulator import Desk
from interparty.edi import edi_id, from_text
from interparty.query_messages import ANSWER_IDS
from simulators.handsets.client import HandsetClient

STEP_S = 10.0
"""How long a step waits for what it expects."""
LOOK_AGAIN_S = 0.02
TALK_S = 2.2
CALL_DIGITS = "12#"
ANSWER_DIGITS = "9*"
RTP_MIN = 80
"""Of the 100 packets of 20 ms in two seconds, on a busy machine."""
REFUSED_WITHIN_MS = 1000

ENTERPRISE, TRUST, GATEWAY, PERSON = range(4)
REGULATOR = ENTERPRISE
"""In the ladder of a complaint the regulator stands where the enterprise does in others."""

_CODE = re.compile(r"回复([0-9]{6})")


class StepFailed(Exception):
    """A step did not end as it must; says which and what was seen."""


@dataclass(slots=True)
class Actor:
    """An enterprise of the story."""

    enterprise: DemoEnterprise
    client: EnterpriseClient
    aids: dict[str, str] = field(default_factory=dict)
    """By person's name."""


def expect(condition: bool, what: str) -> None:
    if not condition:
        raise StepFailed(what)


async def until(ask: Callable[[], Awaitable[list[Any]]], found: Callable[[Any], bool], what: str) -> Any:
    """Ask again until one of the answers fits. `ask` itself waits at its server for something new."""
    try:
        async with asyncio.timeout(STEP_S):
            while True:
                for each in await ask():
                    if found(each):
                        return each
                await asyncio.sleep(LOOK_AGAIN_S)
    except TimeoutError:
        raise StepFailed(f"{what}: not within {STEP_S:.0f} s") from None


class Story:
    """Runs the steps in order; any of them may raise StepFailed."""

    def __init__(
        self, a: Actor, b: Actor, people: tuple[Person, ...], handsets: HandsetClient, quiet: bool = False
    ) -> None:
        self.a = a
        self.b = b
        self._people = people
        self._handsets = handsets
        self._quiet = quiet

    def _ladder(self, actor: Actor, person: Person) -> Ladder:
        number = f"+{person.msisdn[:2]} {person.msisdn[2:5]} {person.msisdn[5:9]} {person.msisdn[9:]}"
        return Ladder(
            [f"{actor.enterprise.name} ({actor.enterprise.id})", "Trust party", "Carrier's gateway",
             f"{person.name} {number}"]
        )  # fmt: skip

    async def consents(self) -> None:
        """Each person consents to each enterprise; the carrier has the person confirm by a code."""
        for actor in (self.a, self.b):
            for person in self._people:
                await self._consent(actor, person)
        for person in self._people:
            expect(
                self.a.aids[person.name] != self.b.aids[person.name],
                f"{person.name} has the same AID at both enterprises",
            )

    async def _consent(self, actor: Actor, person: Person) -> None:
        enterprise = actor.enterprise
        shown = not self._quiet and actor is self.a and person is self._people[0]
        ladder = self._ladder(actor, person)
        seen = await self._handsets.inbox(person.msisdn)
        after = seen[-1]["index"] if seen else 0
        [nonce] = await actor.client.nonces(1)
        edi = await self._handsets.seal(person.msisdn, enterprise.id, nonce)
        [result] = await actor.client.deposit([{"nonce": nonce, "edis": [edi]}])
        aid = result["aid"]
        expect(aid is not None, f"deposit refused: {result['error']}")
        expect(result["status"] == "PENDING", f"a deposit is {result['status']} before the person confirmed")
        refused = await actor.client.sms(aid, "还没有确认")
        expect(refused["status"] == 0x0B, "an AID that nobody confirmed was contacted")
        message = await until(
            lambda: self._handsets.inbox(person.msisdn, after=after, wait=STEP_S),
            lambda each: (
                each["sender"].endswith(CONFIRMATION_NUMBER) and _CODE.search(each["text"]) is not None
            ),
            f"{person.name} got no confirmation code",
        )
        code = _CODE.search(message["text"])
        assert code is not None
        await self._handsets.reply(person.msisdn, code[1], CONFIRMATION_NUMBER)
        expect(await actor.client.until_active([aid], STEP_S), f"{person.name}'s AID did not become ACTIVE")
        actor.aids[person.name] = aid
        if shown:
            ladder.title(f"{person.name} agrees to be contacted by {enterprise.name}")
            ladder.arrow(
                PERSON, ENTERPRISE,
                f"the app seals the IMSI on the phone: EDI {edi_id(from_text(edi)).hex()[:8]}… (209 bytes, SM2)",
            )  # fmt: skip
            ladder.note(ENTERPRISE, "cannot open the EDI; learns no number")
            ladder.arrow(ENTERPRISE, TRUST, "deposit: consent signed with SM2, EDI")
            ladder.arrow(TRUST, ENTERPRISE, f"AID {aid}, PENDING")
            ladder.arrow(ENTERPRISE, GATEWAY, "an SMS now? refused: nobody has confirmed yet")
            ladder.arrow(TRUST, GATEWAY, "have this EDI's owner confirm")
            ladder.note(GATEWAY, "opens the EDI, finds one subscriber")
            ladder.arrow(GATEWAY, PERSON, f"SMS from {message['sender']}: {message['text'][:40]}…")
            ladder.arrow(PERSON, GATEWAY, f"SMS reply: {code[1]}")
            ladder.arrow(GATEWAY, TRUST, "confirmed (signed with SM2)")
            ladder.note(TRUST, f"AID {aid} is ACTIVE")
        elif not self._quiet:
            ladder.line(
                f"  … likewise {person.name} and {enterprise.name}: AID {aid} ACTIVE after the code's reply"
            )

    async def message(self) -> None:
        """A text with a receipt, and the person's reply."""
        actor, person = self.a, self._people[0]
        ladder, aid, text = (
            self._ladder(actor, person),
            actor.aids[person.name],
            "您的快件已到小区驿站，取件码 6-2-8801。",
        )
        inbox = await self._handsets.inbox(person.msisdn)
        after = inbox[-1]["index"] if inbox else 0
        sent = await actor.client.sms(aid, text)
        expect(sent["status"] == 0, f"submit_sm was answered {sent['status_name']}")
        message = await until(
            lambda: self._handsets.inbox(person.msisdn, after=after, wait=STEP_S),
            lambda each: each["text"] == text,
            "the handset does not show the text",
        )
        expect(
            message["sender"].endswith(actor.enterprise.access_number),
            f"the handset shows the sender {message['sender']}",
        )
        message_id = sent["message_ids"][0]
        receipt = await until(
            lambda: actor.client.receipts(wait=STEP_S),
            lambda each: each["message_id"].lower() == message_id.lower(),
            "no receipt",
        )
        expect(receipt["state"] in ("DELIVRD", "DELIVERED"), f"the receipt says {receipt['state']}")
        expect(receipt["source_addr"] == aid, "the receipt is not under the AID")
        answer = "好的，今晚去取"
        await self._handsets.reply(person.msisdn, answer, actor.enterprise.access_number)
        reply = await until(
            lambda: actor.client.replies(wait=STEP_S),
            lambda each: each["text"] == answer,
            "the reply did not reach the enterprise",
        )
        expect(reply["source_addr"] == aid, "the reply is not under the AID")
        ladder.title(f"{actor.enterprise.name} writes to {person.name}, who answers")
        ladder.arrow(ENTERPRISE, GATEWAY, f"submit_sm to {aid}: {text}")
        ladder.arrow(GATEWAY, TRUST, f"may {actor.enterprise.id} write to {aid}?")
        ladder.arrow(TRUST, GATEWAY, "yes; its EDI")
        ladder.note(GATEWAY, "EDI → MSISDN, inside the carrier only; committed, then acknowledged")
        ladder.arrow(GATEWAY, ENTERPRISE, f"submit_sm_resp: message_id {message_id}")
        ladder.arrow(GATEWAY, PERSON, f"SMS from {message['sender']}: {message['text']}")
        ladder.arrow(GATEWAY, ENTERPRISE, f"receipt from {receipt['source_addr']}: {receipt['state']}")
        ladder.arrow(PERSON, GATEWAY, f"SMS to {actor.enterprise.access_number}: {answer}")
        ladder.arrow(GATEWAY, ENTERPRISE, f"deliver_sm from {reply['source_addr']}: {reply['text']}")

    async def call(self) -> None:
        """A call with audio and digits both ways."""
        actor, person = self.a, self._people[1]
        ladder, aid = self._ladder(actor, person), actor.aids[person.name]
        await actor.client.call(aid)
        ours, theirs = await self._both_up(actor, person, "out", "in")
        await actor.client.digits(CALL_DIGITS)
        await self._handsets.digits(person.msisdn, ANSWER_DIGITS)
        await asyncio.sleep(TALK_S)
        await actor.client.hangup()
        ours, theirs = await self._both_ended(actor, person, ours["id"], theirs["id"])
        self._check_audio(ours, theirs, CALL_DIGITS, ANSWER_DIGITS)
        expect(
            actor.enterprise.access_number in theirs["peer"],
            f"the handset shows the caller {theirs['peer']}",
        )
        ladder.title(f"{actor.enterprise.name} calls {person.name}")
        ladder.arrow(ENTERPRISE, GATEWAY, f"INVITE sip:{aid}@…")
        ladder.arrow(GATEWAY, TRUST, f"may {actor.enterprise.id} call {aid}?")
        ladder.arrow(TRUST, GATEWAY, "yes; its EDI")
        ladder.arrow(GATEWAY, PERSON, f"INVITE, caller shown: {theirs['peer']}")
        ladder.arrow(PERSON, ENTERPRISE, "answered; audio both ways through the gateway's relay")
        ladder.note(ENTERPRISE, f"got {ours['rtp_received']} RTP packets and the digits {ours['digits']}")
        ladder.note(PERSON, f"got {theirs['rtp_received']} RTP packets and {theirs['digits']}")

    async def callback(self) -> None:
        """The person calls the enterprise back."""
        actor, person = self.a, self._people[1]
        ladder, aid = self._ladder(actor, person), actor.aids[person.name]
        await self._handsets.call(person.msisdn, actor.enterprise.access_number)
        ours, theirs = await self._both_up(actor, person, "in", "out")
        expect(ours["peer"] == aid, f"the enterprise's phone shows {ours['peer']}")
        await asyncio.sleep(1.0)
        await self._handsets.hangup(person.msisdn)
        ours, theirs = await self._both_ended(actor, person, ours["id"], theirs["id"])
        expect(ours["rtp_received"] > 0 and theirs["rtp_received"] > 0, "no audio in the callback")
        ladder.title(f"{person.name} calls {actor.enterprise.name} back")
        ladder.arrow(PERSON, GATEWAY, f"calls {actor.enterprise.access_number}")
        ladder.arrow(GATEWAY, TRUST, "which AID has this EDI's owner there?")
        ladder.arrow(TRUST, GATEWAY, aid)
        ladder.arrow(GATEWAY, ENTERPRISE, f"INVITE From: {ours['from_uri']}")
        ladder.note(ENTERPRISE, f"the phone shows {ours['peer']}; {ours['rtp_received']} RTP packets")

    async def stranger(self) -> None:
        """An AID is worth nothing to another enterprise."""
        person, aid = self._people[0], self.a.aids[self._people[0].name]
        ladder = self._ladder(self.b, person)
        sent = await self.b.client.sms(aid, "您好")
        expect(sent["status"] == 0x0B, f"another enterprise's AID was answered {sent['status_name']}")
        [call] = [await self.b.client.call(aid)]
        ended = await until(
            lambda: self.b.client.calls(wait=STEP_S),
            lambda each: each["id"] == call["id"] and each["ended"] is not None,
            "the stranger's call does not end",
        )
        expect(ended["status"] == 404, f"another enterprise's call was answered {ended['status']}")
        ladder.title(f"{self.b.enterprise.name} tries the AID that {self.a.enterprise.name} has")
        ladder.arrow(ENTERPRISE, GATEWAY, f"submit_sm to {aid}")
        ladder.arrow(GATEWAY, TRUST, f"may {self.b.enterprise.id} write to {aid}?")
        ladder.arrow(TRUST, GATEWAY, "no")
        ladder.arrow(GATEWAY, ENTERPRISE, f"submit_sm_resp: {sent['status_name']}")
        ladder.arrow(GATEWAY, ENTERPRISE, f"and to its INVITE: {ended['status']}")

    async def opt_out(self) -> None:
        """TD ends it, at once."""
        actor, person = self.a, self._people[0]
        ladder, aid = self._ladder(actor, person), actor.aids[person.name]
        inbox = await self._handsets.inbox(person.msisdn)
        after = inbox[-1]["index"] if inbox else 0
        asked = time.monotonic()
        await self._handsets.reply(person.msisdn, "TD", actor.enterprise.access_number)
        sent = await actor.client.sms(aid, "最后一条？")
        elapsed_ms = (time.monotonic() - asked) * 1000
        while sent["status"] == 0 and elapsed_ms < REFUSED_WITHIN_MS:
            sent = await actor.client.sms(aid, "最后一条？")
            elapsed_ms = (time.monotonic() - asked) * 1000
        expect(
            sent["status"] == 0x0B and elapsed_ms < REFUSED_WITHIN_MS,
            f"{elapsed_ms:.0f} ms after TD the answer is {sent['status_name']}",
        )
        reply = await until(
            lambda: actor.client.replies(wait=STEP_S),
            lambda each: each["text"] == "TD",
            "the opt-out itself did not reach the enterprise",
        )
        expect(reply["source_addr"] == aid, "the opt-out is not under the AID")

        async def asked_of_trust() -> list[str]:
            return await actor.client.statuses([aid])

        await until(asked_of_trust, lambda status: status == "REVOKED", "the trust party did not revoke")
        notice = await until(
            lambda: self._handsets.inbox(person.msisdn, after=after, wait=STEP_S),
            lambda each: "退订" in each["text"],
            "the person got no confirmation of the opt-out",
        )
        ladder.title(f"{person.name} has had enough")
        ladder.arrow(PERSON, GATEWAY, f"SMS to {actor.enterprise.access_number}: TD")
        ladder.note(GATEWAY, "blocked in the commit that records the reply")
        ladder.arrow(GATEWAY, PERSON, f"SMS: {notice['text']}")
        ladder.arrow(GATEWAY, ENTERPRISE, f"deliver_sm from {reply['source_addr']}: TD")
        ladder.arrow(GATEWAY, TRUST, "cancelled (signed with SM2)")
        ladder.note(TRUST, f"AID {aid} is REVOKED")
        ladder.arrow(ENTERPRISE, GATEWAY, f"submit_sm to {aid}")
        ladder.arrow(GATEWAY, ENTERPRISE, f"{sent['status_name']}, {elapsed_ms:.0f} ms after TD was sent")

    async def complaint(self, desk: Desk) -> None:
        """The person complains, with a number; the regulator finds the AID and all that is on record under it."""
        actor, person = self.a, self._people[0]
        aid = actor.aids[person.name]
        found = await desk.look_into(person.msisdn, actor.enterprise.id)
        said = [(outcome.carrier, outcome.outcome) for outcome in found.answer.outcomes]
        expect(all(outcome == "ANSWERED" for _, outcome in said), f"carriers said {said}")
        expect(found.answer.aids == [aid], f"the query by number found {found.answer.aids}")
        [evidence] = found.evidence
        [report] = found.reports
        open_ = "; ".join(finding.text.strip() for finding in report.findings if not finding.holds)
        expect(report.complete, f"the evidence is not proved: {open_}")
        checkpoint, witnesses = evidence.bundles[0].checkpoint, desk.witnesses
        kinds = Counter(record["kind"] for record in evidence.records)
        wanted = ("DEPOSIT", "CONFIRMATION", "COMMUNICATION", "CANCELLATION")
        expect(all(kinds[kind] for kind in wanted), f"the evidence is {dict(kinds)}")
        ladder = Ladder(["Regulator", "Trust party", "Carrier's gateway", person.name])
        ladder.title(f"{person.name} complains about {actor.enterprise.name}")
        ladder.arrow(PERSON, REGULATOR, f"my number is {person.msisdn}")
        ladder.note(REGULATOR, "seals number, enterprise, period and case to the carrier; two people sign")
        ladder.arrow(REGULATOR, TRUST, f"{found.case}: the sealed query, {len(APPROVERS)} signatures")
        ladder.note(TRUST, "cannot open it; it is on record before it goes on")
        ladder.arrow(TRUST, GATEWAY, "the same, unread")
        ladder.note(GATEWAY, "knows both keys, opens it, looks who held the number")
        ladder.arrow(GATEWAY, TRUST, f"{ANSWER_IDS} edi_ids, as always; all but the found are random")
        ladder.arrow(TRUST, REGULATOR, f"AID {aid}")
        ladder.arrow(REGULATOR, TRUST, f"{found.case}: everything on record about {aid}")
        told = ", ".join(f"{count} × {kind}" for kind, count in kinds.items())
        ladder.arrow(TRUST, REGULATOR, told)
        ladder.note(
            REGULATOR,
            f"each record proved to be in the log of {checkpoint.size} leaves, by public keys alone",
        )
        ladder.line()
        names, count = ", ".join(witnesses), len(witnesses)
        ladder.line(
            f"■ Carrier, enterprise and regulator ({names}) witnessed the log of {checkpoint.size} leaves:"
            f" {count} of {count}"
        )

    def summary(self) -> None:
        """Which identifier of the first person each party saw, all in all."""
        person = self._people[0]
        ladder = self._ladder(self.a, person)
        a, b = self.a.enterprise, self.b.enterprise
        ladder.line()
        ladder.line(f"■ Who saw what of {person.name}")
        for who, saw in (
            (a.name, f"AID {self.a.aids[person.name]}"),
            (b.name, f"AID {self.b.aids[person.name]}, which tells nothing of the other"),
            ("Trust party", "both AIDs and the sealed EDIs; no number, no text"),
            ("Carrier", f"AIDs, EDIs and the number {person.msisdn}"),
            (
                person.name,
                f"the access numbers {a.access_number}, {b.access_number} and {CONFIRMATION_NUMBER}",
            ),
        ):
            ladder.line(f"  {who}{' ' * (14 - width(who))}{saw}")

    async def _both_up(
        self, actor: Actor, person: Person, ours: str, theirs: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        def up(direction: str) -> Callable[[dict[str, Any]], bool]:
            return lambda each: (
                each["direction"] == direction and each["answered"] is not None and each["ended"] is None
            )

        mine = await until(
            lambda: actor.client.calls(wait=STEP_S), up(ours), "the enterprise's phone is not in a call"
        )
        other = await until(
            lambda: self._handsets.calls(person.msisdn, wait=STEP_S),
            up(theirs),
            "the handset is not in a call",
        )
        return mine, other

    async def _both_ended(
        self, actor: Actor, person: Person, ours: str, theirs: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        def over(call_id: str) -> Callable[[dict[str, Any]], bool]:
            # The counts are whole once the state says so.
            return lambda each: each["id"] == call_id and each["state"] == "ended"

        mine = await until(
            lambda: actor.client.calls(wait=STEP_S), over(ours), "the enterprise's call does not end"
        )
        other = await until(
            lambda: self._handsets.calls(person.msisdn, wait=STEP_S),
            over(theirs),
            "the handset's call does not end",
        )
        return mine, other

    def _check_audio(
        self, ours: dict[str, Any], theirs: dict[str, Any], our_digits: str, their_digits: str
    ) -> None:
        expect(ours["rtp_received"] >= RTP_MIN, f"the enterprise got {ours['rtp_received']} RTP packets")
        expect(theirs["rtp_received"] >= RTP_MIN, f"the handset got {theirs['rtp_received']} RTP packets")
        expect(theirs["digits"] == our_digits, f"the handset got the digits {theirs['digits']!r}")
        expect(ours["digits"] == their_digits, f"the enterprise got the digits {ours['digits']!r}")
