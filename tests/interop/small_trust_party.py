"""A second trust party, as small as can be: written from docs/openapi/trust-party.json and what it refers to.

It imports nothing of this project. Authorizations, reports and the log are in memory, and its log takes each record
for itself, without the padding that hides how many there are. It shows that a gateway, an enterprise and a witness work
with a trust party of other hands; what the document does not say shows here first.
"""

import asyncio
import json
import secrets
from dataclasses import dataclass, replace
from typing import Any

from . import foreign_signatures as signed
from .foreign_log import Log, consistency_path
from .foreign_server import Body, ForeignServer, Party, Refused, answer_entry, now_ms
from .foreign_signatures import Sm2Key

PAGE = 500
AGAIN_S = 0.5
DAMM = [[int(digit) for digit in row] for row in (
    "0317598642", "7092154863", "4206871359", "1750983426", "6123045978",
    "3674209581", "5869720134", "8945362017", "9438617205", "2581436790",
)]  # fmt: skip


@dataclass
class Authorization:
    """One consent, its AID and what became of it."""

    aid: str
    enterprise: str
    consent: Body
    edis: dict[str, str]  # carrier: EDI
    edi_ids: dict[str, str]  # carrier: edi_id
    consent_sm3: str
    evidence_id: int
    aids: list[str]  # all of the consent, shared by those that replaced each other
    records: list[int]  # indices of the consent's leaves
    status: str = "PENDING"
    carrier: str = ""  # that confirmed it


def damm(digits: str) -> int:
    """The Damm check digit; 0 over digits that end with theirs."""
    check = 0
    for digit in digits:
        check = DAMM[check][int(digit)]
    return check


class SmallTrustParty(ForeignServer):
    """The parties it knows, the authorizations they made, and the routes by which they ask."""

    def __init__(self, name: str, parties: dict[str, Party], prefix: str = "888") -> None:
        super().__init__(name, parties)
        self.prefix = prefix
        self.envelope_key = Sm2Key.make()
        self.log = Log(Sm2Key.make())
        self.epoch = secrets.token_hex(16)
        self.authorizations: dict[str, Authorization] = {}  # by AID, in the order of their issue
        self.by_nonce: dict[tuple[str, str], Authorization] = {}  # enterprise, consent's nonce
        self.consents: dict[str, list[str]] = {}  # by consent_sm3, the list that was signed
        self.revocations: dict[str, list[Body]] = {}  # by carrier, in their sequence
        self.reports: dict[tuple[str, str], Body] = {}  # carrier, report_id
        self.key_events: dict[str, Body] = {}  # by event_id
        self.cosigned: list[Body] = []  # cosignatures, in the order in which they came
        self.heads: list[Body] = []  # every checkpoint that was signed
        self.asked: list[Body] = []  # each VerifyItem that was answered
        first = self._notice("sign", self.sign_key)
        self.sign_notices = [
            self._announced(first, self.sign_key, self.signs_as)
        ]  # each under the one before
        self.handlers = {
            "deposit": self.deposit, "aidStatus": self.aid_status, "aidStatuses": self.aid_statuses,
            "cancel": self.cancel, "rotate": self.rotate, "verify": self.verify, "convert": self.convert,
            "restore": self.restore, "confirm": self.confirm, "report": self.report,
            "revocations": self.revocations_after, "queryEvidence": self.query_evidence,
            "queryEvidenceByNumber": self.query_number,
            "checkpoint": self.checkpoint, "candidate": self.candidate, "cosign": self.cosign, "views": self.views,
            "leaves": self.leaves, "inclusion": self.inclusion, "consistency": self.consistency,
            "publicKeys": self.public_keys, "deliverKey": self.deliver_key,
            "reportKeyEvents": self.report_key_events, "logKeys": self.log_keys,
        }  # fmt: skip

    def admit_carrier(self, card: Body, url: str) -> None:
        """Admit a carrier by the card that it handed over; the shared key is in an envelope in it."""
        carrier = Party(
            "carrier", {card["sign_keyid"]: signed.public_hex_of(card["sign_public_key"])}, url=url
        )
        self.parties[card["id"]] = carrier
        self.deliver_key(card["id"], {"envelope": card["http_key_envelope"]})

    # ---- what carriers ask

    def _status(self, authorization: Authorization) -> str:
        if authorization.status in ("PENDING", "ACTIVE") and now_ms() >= authorization.consent["term_to"]:
            authorization.status = "EXPIRED"
        return authorization.status

    def may_contact(self, carrier: str, item: Body) -> Body:
        """A grant, or why there is none."""
        self.asked.append(item)
        reason = self._why_not(carrier, item)
        if reason is not None:
            return {"refusal": {"reason": reason}}
        found = self.authorizations[item["aid"]]
        terms = {name: found.consent[name] for name in ("hours", "frequency", "access_numbers")}
        return {"grant": {
            "edi": found.edis[carrier], "edi_id": found.edi_ids[carrier],
            "consent": {**terms, "not_after": found.consent["term_to"]},
        }}  # fmt: skip

    def _why_not(self, carrier: str, item: Body) -> str | None:
        found = self.authorizations.get(item["aid"])
        if found is None:
            return "UNKNOWN_AID"
        refused = self._why_not_now(found, carrier, item["enterprise"], item["access_number"])
        if refused is None and item["channel"] not in found.consent["channels"]:
            return "CHANNEL"
        return refused

    def _why_not_now(
        self, found: Authorization, carrier: str, enterprise: str, number: str | None
    ) -> str | None:
        if found.enterprise != enterprise:
            return "NOT_OWNER"
        status = self._status(found)
        if status != "ACTIVE":
            return status
        if found.carrier != carrier:
            return "OTHER_CARRIER"
        if now_ms() < found.consent["term_from"]:
            return "NOT_YET"
        return None if number is None or number in found.consent["access_numbers"] else "ACCESS_NUMBER"

    def heartbeat(self, carrier: str, nonce: str) -> Body:
        """How far this carrier's revocations are."""
        return {"epoch": self.epoch, "sequence": len(self.revocations.get(carrier, [])), "nonce": nonce}

    def verify(self, carrier: str, body: Body) -> Body:
        """One question or a batch, answered and signed together."""
        answers = [self.may_contact(carrier, item) for item in body["items"]]
        entries = list(map(answer_entry, body["items"], answers))
        return {"answers": answers, "batch": self.batch_head(entries)}

    def convert(self, carrier: str, body: Body) -> Body:
        """The EDI behind an AID, to the carrier to which it is sealed."""
        found = self.authorizations.get(body["aid"])
        if found is None or self._why_not_now(found, carrier, body["enterprise"], None) is not None:
            raise Refused(404, "no such EDI")
        return {"edi": found.edis[carrier]}

    def restore(self, carrier: str, body: Body) -> Body:
        """Under which AIDs enterprises know subscribers."""
        return {"answers": [self._restored(carrier, item) for item in body["items"]]}

    def _restored(self, carrier: str, item: Body) -> Body:
        found = self._of_edi(carrier, item["edi_id"])
        if found is None:
            return {"refusal": {"reason": "UNKNOWN_EDI"}}
        reason = self._why_not_now(found, carrier, item["enterprise"], item["access_number"])
        return {"aid": found.aid} if reason is None else {"refusal": {"reason": reason}}

    def _of_edi(self, carrier: str, edi_id: str) -> Authorization | None:
        """The authorization that is the current one under an EDI."""
        of_edi = [each for each in self.authorizations.values() if each.edi_ids.get(carrier) == edi_id]
        return of_edi[-1] if of_edi else None

    def confirm(self, carrier: str, body: Body) -> Body:
        """Deposits that the carrier's subscribers confirmed become ACTIVE."""
        return {"results": [{"status": self._confirmed(carrier, each)} for each in body["confirmations"]]}

    def _confirmed(self, carrier: str, confirmation: Body) -> str:
        statement = confirmation["statement"]
        found = self._of_edi(carrier, statement["edi_id"])
        if found is None or (statement["carrier"], statement["enterprise"]) != (carrier, found.enterprise):
            return "UNKNOWN"
        if statement["consent_sm3"] != found.consent_sm3 or not self._stated(
            carrier, "ASCS-CONFIRM1", confirmation
        ):
            return "UNKNOWN"
        if self._status(found) == "PENDING":
            found.status, found.carrier = "ACTIVE", carrier
            self._record(found, "CONFIRMATION", **confirmation)
        return found.status

    def report(self, carrier: str, body: Body) -> Body:
        """Communications that are over, each once."""
        for report in body["reports"]:
            found = self._of_edi(carrier, report["edi_id"])
            if (
                found is not None
                and self.reports.setdefault((carrier, report["report_id"]), report) is report
            ):
                self._record(found, "COMMUNICATION", carrier=carrier, **report)
        return {"accepted": len(body["reports"])}

    def revocations_after(self, carrier: str, body: Body) -> Body:
        """Revocations behind a sequence."""
        mine = self.revocations.get(carrier, [])
        page = mine[body["after"] :][:PAGE] if body["epoch"] == self.epoch else []
        return {"epoch": self.epoch, "newest": len(mine), "revoked": page}

    def _stated(self, party: str, tag: str, item: Body) -> bool:
        message = signed.statement_bytes(tag, item["statement"])
        signature = signed.from_b64url(item["signature"])
        return any(signed.verifies(key, message, signature) for key in self.parties[party].sign_keys.values())

    # ---- the life of an authorization

    def deposit(self, enterprise: str, body: Body) -> Body:
        """Consents become evidence and PENDING AIDs; their carriers are asked to have them confirmed."""
        sums = [signed.sm3(signed.rfc8785.dumps(deposit["consent"])).hex() for deposit in body["deposits"]]
        if not self._stated(enterprise, "ASCS-CONSENT1", {"statement": sums, "signature": body["signature"]}):
            raise Refused(403, "the signature over the consents does not verify")
        own = {
            "keyid": next(iter(self.parties[enterprise].sign_keys)),
            "signature": signed.from_b64url(body["signature"]).hex(),
            "consents_sm3": signed.sm3(bytes.fromhex("".join(sums))).hex(),
        }
        self.consents.update(dict.fromkeys(sums, sums))
        taken = [self._deposited(enterprise, *pair, own) for pair in zip(body["deposits"], sums, strict=True)]
        return {"results": [self._deposit_result(found) for found in taken]}

    def _deposit_result(self, found: Authorization | str) -> Body:
        if isinstance(found, str):
            return {"error": found}
        head = self._head(0)
        return {
            "aid": found.aid, "evidence_id": str(found.evidence_id), "status": self._status(found),
            "inclusion": {**self.log.inclusion(found.evidence_id, head["size"]), "checkpoint": head},
        }  # fmt: skip

    def _deposited(self, enterprise: str, deposit: Body, consent_sm3: str, own: Body) -> Authorization | str:
        consent = deposit["consent"]
        if consent["enterprise"] != enterprise:
            return "ENTERPRISE"
        known = self.by_nonce.get((enterprise, consent["nonce"]))
        if known is not None:
            return known if known.consent_sm3 == consent_sm3 else "NONCE_REUSED"
        edis, edi_ids = {}, {}
        for text, edi_id in zip(deposit["edis"], consent["edi_ids"], strict=False):
            edi = signed.from_b64url(text)
            if len(edi) != 209 or edi[:4] != b"EDI1":
                return "EDI_FORMAT"
            if signed.sm3(edi)[:16].hex() != edi_id:
                return "EDI_IDS"
            carrier = edi[5:9].decode("ascii", "replace")
            if self.parties.get(carrier, Party("")).role != "carrier":
                return "EDI_CARRIER"
            edis[carrier], edi_ids[carrier] = text, edi_id
        aid = self.new_aid()
        found = Authorization(aid, enterprise, consent, edis, edi_ids, consent_sm3, 0, [aid], [])
        found.evidence_id = self._record(found, "DEPOSIT", consent=consent, signed=own)
        self.authorizations[aid] = self.by_nonce[enterprise, consent["nonce"]] = found
        for carrier in edis:
            mine = [text for text in deposit["edis"] if signed.from_b64url(text)[5:9] == carrier.encode()]
            self.later(self._have_confirmed(carrier, found, mine))
        return found

    async def _have_confirmed(self, carrier: str, found: Authorization, edis: list[str]) -> None:
        """Ask a carrier for the subscriber's confirmation until it says that it was asked."""
        request = {
            "deposit_id": found.consent_sm3, "consent": found.consent, "edis": edis,
            "enterprise_name": self.parties[found.enterprise].name,
        }  # fmt: skip
        body = {"requests": [request]}
        while (await self.ask(carrier, "POST", "/v1/confirmation-requests", body))[0] != 202:  # noqa: ASYNC110
            await asyncio.sleep(AGAIN_S)

    def new_aid(self) -> str:
        """An AID that nobody has."""
        while True:
            digits = f"{self.prefix}1{secrets.randbelow(10**13):013d}"
            aid = f"{digits}{damm(digits)}"
            if aid not in self.authorizations:
                return aid

    def _record(self, found: Authorization, kind: str, **fields: Any) -> int:
        record = json.dumps({"kind": kind, "aid": found.aid, **fields}, ensure_ascii=False)
        index = self.log.append(record.encode(), secrets.token_bytes(32))
        found.records.append(index)
        return index

    def aid_status(self, enterprise: str, body: Body) -> Body:
        """What one own AID is now."""
        answer = self._own(enterprise, body["aid"])
        if answer["status"] == "UNKNOWN":
            raise Refused(404, "none of yours")
        return answer

    def aid_statuses(self, enterprise: str, body: Body) -> Body:
        """What AIDs are now."""
        return {"statuses": [self._own(enterprise, aid) for aid in body["aids"]]}

    def _own(self, enterprise: str, aid: str) -> Body:
        found = self.authorizations.get(aid)
        if found is None or found.enterprise != enterprise:
            return {"aid": aid, "status": "UNKNOWN"}
        return {
            "aid": aid, "status": self._status(found), "evidence_id": str(found.evidence_id),
            "not_before": found.consent["term_from"], "not_after": found.consent["term_to"],
        }  # fmt: skip

    def cancel(self, party: str, body: Body) -> Body:
        """End authorizations, and tell their carriers."""
        return {"results": [{"status": self._cancelled(party, each)} for each in body["cancellations"]]}

    def _cancelled(self, party: str, cancellation: Body) -> str:
        statement, role = cancellation["statement"], self.parties[party].role
        if "edi_id" in statement:
            found = self._of_edi(party, statement["edi_id"])
        else:
            found = self.authorizations.get(statement["aid"]) if role != "carrier" else None
            found = found and self.authorizations[found.aids[-1]]
        if found is None or found.enterprise != statement["enterprise"]:
            return "UNKNOWN"
        if (role == "enterprise" and found.enterprise != party) or not self._stated(
            party, "ASCS-CANCEL1", cancellation
        ):
            return "UNKNOWN"
        if self._status(found) in ("PENDING", "ACTIVE"):
            self._record(found, "CANCELLATION", by=party, **cancellation)
            self._end(found, "REVOKED")
        return "REVOKED"

    def rotate(self, enterprise: str, body: Body) -> Body:
        """Another AID for the same consent."""
        return {"results": [self._rotated(enterprise, each) for each in body["rotations"]]}

    def _rotated(self, enterprise: str, rotation: Body) -> Body:
        old = self.authorizations.get(rotation["statement"]["aid"])
        if (
            old is None
            or old.enterprise != enterprise
            or not self._stated(enterprise, "ASCS-ROTATE1", rotation)
        ):
            return {"status": "UNKNOWN"}
        if self._status(old) == "ACTIVE":
            new = replace(old, aid=self.new_aid())
            old.aids.append(new.aid)
            self.authorizations[new.aid] = new
            fields = {"replaces": old.aid, "consent_sm3": old.consent_sm3, **rotation}
            new.evidence_id = self._record(new, "ROTATION", **fields)
            self._end(old, "ROTATED")
        elif old.status != "ROTATED":
            return {"status": "UNKNOWN"}
        new = self.authorizations[old.aids[old.aids.index(old.aid) + 1]]
        return {"status": self._status(new), "aid": new.aid, "evidence_id": str(new.evidence_id)}

    def _end(self, found: Authorization, status: str) -> None:
        """No grant any more; the carrier that had it is told."""
        found.status = status
        if not found.carrier:
            return
        told = self.revocations.setdefault(found.carrier, [])
        statement = {
            "carrier": found.carrier, "epoch": self.epoch, "sequence": len(told) + 1, "enterprise": found.enterprise,
            "aid": found.aid, "edi_id": found.edi_ids[found.carrier], "cause": status, "at": now_ms(),
        }  # fmt: skip
        signature = self.sign_key.sign(signed.statement_bytes("ASCS-REVOKE1", statement))
        told.append({"statement": statement, "signature": signed.b64url(signature)})
        self.later(self.push(found.carrier, {"revoked": [told[-1]]}))

    # ---- evidence

    def query_evidence(self, party: str, body: Body) -> Body:
        """Everything on record about one consent of the asker's, as a bundle."""
        role = self.parties[party].role
        if role == "regulator" and "case" not in body:
            raise Refused(422, "a regulator names the case")
        found = self.authorizations.get(body.get("aid", "")) or next(
            (each for each in self.authorizations.values() if body.get("edi_id") in each.edi_ids.values()),
            None,
        )
        own = (
            found
            and {"enterprise": found.enterprise, "carrier": found.carrier, "regulator": party}[role] == party
        )
        if found is None or not own or (role == "enterprise" and "edi_id" in body):
            raise Refused(404, "no such evidence")
        last = self.authorizations[found.aids[-1]]
        skip = body.get("skip", 0)
        page = found.records[skip : skip + PAGE]
        answer = {
            "aids": found.aids, "enterprise": found.enterprise, "status": self._status(last),
            "more": len(found.records) > skip + PAGE,
        }  # fmt: skip
        if page:
            answer["bundle"] = self._bundle(page, found)
        query = {"by": party, "role": role, "asked": body, "answered": True, "at": now_ms()}
        self.log.append(json.dumps({"kind": "QUERY", **query}).encode(), secrets.token_bytes(32))
        return answer

    def _bundle(self, indices: list[int], found: Authorization) -> Body:
        head = self._head(0)
        records = []
        for index in indices:
            record, salt = self.log.records[index]
            proof = self.log.inclusion(index, head["size"])["proof"]
            one: Body = {"index": index, "record": record.decode(), "salt": salt.hex(), "proof": proof}
            if json.loads(record)["kind"] == "DEPOSIT":
                one["consents"] = self.consents[found.consent_sm3]
            records.append(one)
        parties = [found.enterprise, *filter(None, [found.carrier])]
        return {
            "format": "ASCS-BUNDLE1", "records": records, "checkpoint": head, "cosignatures": self._cosignatures(head),
            "log": {"log_id": self.log.log_id.hex(), "public_key": self.log.key.public_hex},
            "keys": {keyid: key for each in parties for keyid, key in self.parties[each].sign_keys.items()},
        }  # fmt: skip

    async def query_number(self, regulator: str, body: Body) -> Body:
        """Pass a sealed number on to the carriers, and join what they say to this enterprise's AIDs."""
        question = {name: body[name] for name in ("case", "enterprise", "period_from", "period_to")}
        parts = [await self._carriers_part(regulator, question, query) for query in body["queries"]]
        told = {"kind": "NUMBER_QUERY", "by": regulator, "at": now_ms(), **question}
        index = self.log.append(json.dumps(told).encode(), secrets.token_bytes(32))
        joined = {
            (found.aid, edi_id)
            for outcome, edi_ids in parts
            for found in self.authorizations.values()
            for edi_id in edi_ids
            if found.edi_ids.get(outcome["carrier"]) == edi_id and found.enterprise == body["enterprise"]
            and found.consent["term_from"] < body["period_to"] and found.consent["term_to"] > body["period_from"]
            and found.carrier
        }  # fmt: skip
        return {
            "evidence_id": index, "outcomes": [outcome for outcome, _ in parts],
            "aids": sorted(aid for aid, _ in joined), "joined": sorted({edi_id for _, edi_id in joined}),
        }  # fmt: skip

    async def _carriers_part(self, regulator: str, question: Body, query: Body) -> tuple[Body, list[str]]:
        carrier, outcome = query["carrier"], {"carrier": query["carrier"]}
        if self.parties.get(carrier, Party("")).role != "carrier":
            return {**outcome, "outcome": "REFUSED", "reason": "UNKNOWN_CARRIER"}, []
        sealed_sm3 = signed.sm3(signed.from_b64url(query["sealed"])).hex()
        for approval in query["approvals"]:
            said = approval["statement"]
            if said["sealed_sm3"] != sealed_sm3 or any(
                said[name] != value for name, value in question.items()
            ):
                return {**outcome, "outcome": "REFUSED", "reason": "MISMATCH"}, []
        message = {"requester": regulator, "sealed": query["sealed"], "approvals": query["approvals"]}
        status, reply = await self.ask(carrier, "POST", "/v1/number-queries", message)
        if status == 200 and "refusal" in reply:
            return {**outcome, "outcome": "REFUSED", "reason": reply["refusal"]}, []
        if status == 200:
            answer = reply["answer"]
            genuine = self._stated(
                carrier, "ASCS-ANSWER1", {"statement": answer, "signature": reply["signature"]}
            )
            if genuine and (answer["carrier"], answer["sealed_sm3"]) == (carrier, sealed_sm3):
                return {**outcome, "outcome": "ANSWERED", "found": answer["found"]}, answer["edi_ids"]
        return {**outcome, "outcome": "UNAVAILABLE"}, []

    def _head(self, least_age_ms: int) -> Body:
        """The newest checkpoint; signed anew when the log grew and the last one is older than this, or a minute old."""
        newest = self.heads[-1] if self.heads else None
        age = now_ms() - newest["time_ms"] if newest else 0
        if newest is None or age > 60_000 or (newest["size"] != len(self.log.hashes) and age >= least_age_ms):
            self.heads.append(self.log.checkpoint(now_ms()))
        return self.heads[-1]

    def _cosignatures(self, head: Body) -> list[Body]:
        return [each for each in self.cosigned if _names(each["statement"], head)]

    def checkpoint(self, party: str, query: Body) -> Body:
        """The newest, or the newest that has so many cosignatures."""
        least = int(query.get("cosigned", 0))
        self._head(0)
        for head in reversed(self.heads):
            if len(self._cosignatures(head)) >= least:
                return {"checkpoint": head, "cosignatures": self._cosignatures(head)}
        raise Refused(404, "none has so many cosignatures")

    def candidate(self, party: str, query: Body) -> Body:
        """The one that all are to cosign for two seconds."""
        head = self._head(2000)
        return {"checkpoint": head, "cosignatures": self._cosignatures(head)}

    def cosign(self, party: str, body: Body) -> Body:
        """Keep a witness's word."""
        statement = body["statement"]
        if statement["witness"] != party or not self._stated(party, "ASCS-COSIGN1", body):
            raise Refused(422, "not yours, or it does not verify")
        head = next((head for head in self.heads if _names(statement, head)), None)
        if head is None:
            raise Refused(409, "this log signed no such checkpoint")
        if all(each["statement"]["witness"] != party for each in self._cosignatures(head)):
            self.cosigned.append(body)
        return {"accepted": 1}

    def views(self, party: str, query: Body) -> Body:
        """The newest checkpoint of each witness."""
        newest = {each["statement"]["witness"]: each for each in self.cosigned}
        return {"views": [
            {"checkpoint": head, "cosignatures": [each]}
            for each in newest.values() for head in self.heads if _names(each["statement"], head)
        ]}  # fmt: skip

    def leaves(self, party: str, query: Body) -> Body:
        """Leaf hashes from start on."""
        start, count = int(query["start"]), min(int(query["count"]), 4096)
        page = self.log.hashes[: self._head(0)["size"]][start : start + count]
        return {"start": start, "leaves": signed.b64url(b"".join(page))}

    def inclusion(self, party: str, query: Body) -> Body:
        """RFC 9162, 2.1.3."""
        index, size = int(query["index"]), int(query["size"])
        if not index < size <= len(self.log.hashes):
            raise Refused(404, "no such entry or size")
        return self.log.inclusion(index, size)

    def consistency(self, party: str, query: Body) -> Body:
        """RFC 9162, 2.1.4."""
        first, second = int(query["first"]), int(query["second"])
        if not 1 <= first <= second <= len(self.log.hashes):
            raise Refused(404, "no such sizes")
        proof = consistency_path(first, self.log.hashes[:second])
        return {"first": first, "second": second, "proof": [step.hex() for step in proof]}

    # ---- keys

    def public_keys(self, party: str, body: Body) -> Body:
        """Its public keys, each under the sign key."""
        others = {"envelope": self.envelope_key, "log": self.log.key}
        return {"keys": self.sign_notices + [
            self._announced(self._notice(name, key), self.sign_key, self.signs_as) for name, key in others.items()
        ]}  # fmt: skip

    def _notice(self, name: str, key: Sm2Key) -> Body:
        return {
            "party": self.name, "key": name, "version": 1, "algorithm": "sm2", "value": key.public_hex,
            "state": "active", "at": self.started_s * 1000,
        }  # fmt: skip

    async def renew_sign_key(self, carriers: list[str]) -> None:
        """Announce another sign key, deliver it to the carriers, and then sign with it."""
        old, new = self.sign_key, Sm2Key.make()
        version = len(self.sign_notices) + 1
        notice = {
            "party": self.name, "key": "sign", "version": version, "algorithm": "sm2", "value": new.public_hex,
            "state": "active", "at": now_ms(),
        }  # fmt: skip
        self.sign_notices.append(self._announced(notice, old, self.signs_as))
        for carrier in carriers:
            keyid = f"{self.name}/sign/{version}"
            delivery = self._announced({**notice, "recipient": carrier}, old, self.signs_as)
            envelope_key = await self._envelope_key_of(carrier)
            envelope = signed.seal_envelope(envelope_key, signed.rfc8785.dumps(delivery))
            status, receipt = await self.ask(
                carrier, "POST", "/v1/keys", {"envelope": signed.b64url(envelope)}
            )
            if (status, receipt.get("keyid")) != (200, keyid):
                raise ValueError(f"{carrier} did not take the key: {status}")
        self.sign_key = self.batch_key = new
        self.signs_as = f"{self.name}/sign/{version}"

    async def _envelope_key_of(self, carrier: str) -> str:
        """What a carrier announces under a sign key of its that is known."""
        _, told = await self.ask(carrier, "GET", "/v1/keys")
        for each in told["keys"]:
            if each["statement"]["key"] == "envelope" and self._stated(carrier, "ASCS-KEY1", each):
                return str(each["statement"]["value"])
        raise ValueError(f"{carrier} announces no envelope key")

    @staticmethod
    def _announced(notice: Body, key: Sm2Key, keyid: str) -> Body:
        signature = signed.b64url(key.sign(signed.statement_bytes("ASCS-KEY1", notice)))
        return {"statement": notice, "keyid": keyid, "signature": signature}

    def log_keys(self, party: str, body: Body) -> Body:
        """The one key that its log ever had."""
        return {"keys": [{"log_id": self.log.log_id.hex(), "public_key": self.log.key.public_hex}]}

    def deliver_key(self, party: str, body: Body) -> Body:
        """A new key of a party's, from its envelope."""
        try:
            delivery = json.loads(self.envelope_key.open_envelope(signed.from_b64url(body["envelope"])))
            notice = delivery["statement"]
        except (ValueError, LookupError, TypeError):
            raise Refused(409, "the envelope does not open") from None
        known, name = self.parties[party], f"{party}/{notice['key']}/{notice['version']}"
        if (notice["party"], notice["recipient"]) != (party, self.name) or delivery[
            "keyid"
        ] not in known.sign_keys:
            raise Refused(409, "not yours, not for this trust party, or not under a known key")
        if not self._stated(party, "ASCS-KEY1", delivery):
            raise Refused(409, "the signature does not verify")
        told: dict[str, Any] = known.http_keys if notice["key"] == "http" else known.sign_keys
        value = bytes.fromhex(notice["value"]) if notice["key"] == "http" else notice["value"]
        if notice["key"] in ("http", "sign") and told.setdefault(name, value) != value:
            raise Refused(409, "another key has that name")
        return {"keyid": name}

    def report_key_events(self, party: str, body: Body) -> Body:
        """What became of a party's keys goes on record."""
        for event in body["events"]:
            statement = event["statement"]
            if statement["party"] != party or not self._stated(party, "ASCS-KEYEVENT1", event):
                raise Refused(409, "not yours, or it does not verify")
            if statement["event_id"] not in self.key_events:
                self.key_events[statement["event_id"]] = event
                record = {"kind": "KEY", "event": statement["event"], **event}
                self.log.append(json.dumps(record).encode(), secrets.token_bytes(32))
        return {"accepted": len(body["events"])}


def _names(statement: Body, head: Body) -> bool:
    """Whether a cosignature is on this checkpoint."""
    return all(statement[name] == head[name] for name in ("log_id", "size", "time_ms", "root"))
