"""Checks a bundle of evidence offline, with public keys alone, and says in plain words what it proves.

Nothing in a bundle is believed because the bundle says it: keys come from who checks. What is signed under a key that
was not given is named as not checked. Times are told in Asia/Shanghai.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from pydantic import ValidationError

from evidence import checkpoint as checkpoints
from evidence.checkpoint import Checkpoint
from evidence.log import leaf_of
from evidence.merkle import verify_consistency, verify_inclusion
from gm.errors import GmError
from gm.sm2 import PublicKey
from interparty import statements
from interparty.evidence_messages import Bundle, BundleRecord, WitnessedCheckpoint
from interparty.messages import CheckpointBody, Consent
from interparty.text import b64url_decode
from trust_client.key_chain import chains
from trust_client.log_chain import chain

SHANGHAI: Final = timezone(timedelta(hours=8))

Keys = Mapping[str, Sequence[PublicKey]]
"""SM2 keys by party."""


@dataclass(frozen=True, slots=True)
class Trusted:
    """What whoever checks holds to be true beforehand."""

    log_keys: Sequence[PublicKey]
    """Keys of logs; what they name as their successors is believed too."""
    witnesses: Keys = field(default_factory=dict)
    """Those whose cosignatures count; what their keys name as the next is believed too."""
    quorum: int = 0
    """How many of them must have cosigned."""
    parties: Keys = field(default_factory=dict)
    """Those who sign statements: enterprises, carriers, the trust party; what their keys name as the next is believed
    too."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that holds, does not hold, or could not be checked for want of a key."""

    holds: bool | None
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was found, in the order in which it is told."""

    findings: list[Finding]

    @property
    def holds(self) -> bool:
        """Nothing is wrong. What could not be checked is not wrong."""
        return all(finding.holds is not False for finding in self.findings)

    @property
    def complete(self) -> bool:
        """Everything was checked and holds."""
        return all(finding.holds for finding in self.findings)


def read(text: str | bytes) -> Bundle:
    """A bundle from its file. Raises ValueError for anything else."""
    try:
        return Bundle.model_validate_json(text)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise ValueError(f"not a bundle: {place or 'the whole'}: {fault['type']}") from None


def verify(bundle: Bundle, trusted: Trusted) -> Report:
    """Check everything in a bundle."""
    given, told = trusted, bundle.notices or ()
    trusted = replace(given, witnesses=chains(given.witnesses, told), parties=chains(given.parties, told))
    findings = [*_checkpoint(bundle, trusted)]
    if not findings[0].holds:
        return Report(findings)
    consents: dict[str, int] = {}
    for record in bundle.records:
        findings += _record(bundle, record, given, trusted, consents)
    return Report(findings)


def time_text(millis: int) -> str:
    """A time as people read it."""
    try:
        moment = datetime.fromtimestamp(millis / 1000, UTC).astimezone(SHANGHAI)
    except (OverflowError, ValueError):
        return f"{millis} ms"
    return f"{moment:%Y-%m-%d %H:%M:%S}"


# --- the log ------------------------------------------------------------------------------------------


def checkpoint_of(body: CheckpointBody) -> Checkpoint:
    """A checkpoint as it is signed."""
    return Checkpoint(bytes.fromhex(body.log_id), body.size, body.time_ms, bytes.fromhex(body.root))


def is_signed(body: CheckpointBody, key: PublicKey) -> bool:
    """Whether the log of that key signed a checkpoint."""
    try:
        signature = b64url_decode(body.signature)
    except ValueError:
        return False
    return checkpoints.verify(key, checkpoint_of(body), signature)


def cosigners(witnessed: WitnessedCheckpoint, witnesses: Keys) -> dict[str, int]:
    """Which of the witnesses cosigned a checkpoint, with the times at which they did."""
    body = witnessed.checkpoint
    stated = (body.log_id, body.size, body.time_ms, body.root)
    found: dict[str, int] = {}
    for each in witnessed.cosignatures:
        statement = each.statement
        if (statement.log_id, statement.size, statement.time_ms, statement.root) != stated:
            continue
        if any(
            statements.verify(key, statements.COSIGN, statement, each.signature)
            for key in witnesses.get(statement.witness, ())
        ):
            found[statement.witness] = statement.at
    return found


def _checkpoint(bundle: Bundle, trusted: Trusted) -> Iterator[Finding]:
    body = bundle.checkpoint
    keys = chain(trusted.log_keys, bundle.successions or ())
    key = next((key for key in keys if is_signed(body, key)), None)
    if key is None:
        yield Finding(
            False, "The checkpoint is not signed by a log whose key was given. Nothing below is proved."
        )
        return
    yield Finding(
        True,
        f"The log {body.log_id[:16]}… stated at {time_text(body.time_ms)} that it had {body.size} leaves"
        f" under the root {body.root[:16]}…, and signed this"
        + ("." if key in trusted.log_keys else ", under a key that the one you gave named as its successor."),
    )
    extends = _extends(bundle, keys)
    chosen = WitnessedCheckpoint(checkpoint=body, cosignatures=bundle.cosignatures)
    if not trusted.witnesses:
        yield Finding(
            None,
            "No witness's key was given: that this log shows the same to everyone rests on its operator alone.",
        )
    elif (
        extends and bundle.later and _count(chosen, trusted) < trusted.quorum <= _count(bundle.later, trusted)
    ):
        # Whoever vouches for a log vouches for all that it extends.
        yield _cosigned(bundle.later, trusted, "the later checkpoint below, which holds this one,")
    else:
        yield _cosigned(chosen, trusted, "this checkpoint,")
    if bundle.later is None:
        return
    later = bundle.later.checkpoint
    yield Finding(
        extends,
        f"At {time_text(later.time_ms)} the same log had {later.size} leaves, and "
        + (
            "all that was in it before was in it unchanged."
            if extends
            else "what was in it before is NOT shown to be in it unchanged."
        ),
    )


def _extends(bundle: Bundle, keys: Sequence[PublicKey]) -> bool:
    """Whether the bundle's later checkpoint is the log's and extends its checkpoint."""
    if bundle.later is None:
        return False
    body, later = bundle.checkpoint, bundle.later.checkpoint
    proof = [bytes.fromhex(node) for node in bundle.later.proof]
    return any(is_signed(later, key) for key in keys) and verify_consistency(
        body.size, later.size, bytes.fromhex(body.root), bytes.fromhex(later.root), proof
    )


def _count(witnessed: WitnessedCheckpoint, trusted: Trusted) -> int:
    return len(cosigners(witnessed, trusted.witnesses))


def _cosigned(witnessed: WitnessedCheckpoint, trusted: Trusted, what: str) -> Finding:
    found = cosigners(witnessed, trusted.witnesses)
    names = ", ".join(f"{name} at {time_text(at)}" for name, at in sorted(found.items())) or "nobody"
    enough = len(found) >= trusted.quorum
    return Finding(
        enough,
        f"{len(found)} of {len(trusted.witnesses)} witnesses saw {what} each found that it extends all that"
        f" it had seen before, and cosigned it: {names}. "
        + (
            f"You asked for {trusted.quorum}."
            if enough
            else f"You asked for {trusted.quorum}: it does NOT count. Export the bundle again when they have."
        ),
    )


# --- the records ----------------------------------------------------------------------------------------


def _record(
    bundle: Bundle, record: BundleRecord, given: Trusted, trusted: Trusted, consents: dict[str, int]
) -> Iterator[Finding]:
    raw = record.record.encode()
    included = verify_inclusion(
        record.index,
        bundle.checkpoint.size,
        leaf_of(raw, bytes.fromhex(record.salt)),
        [bytes.fromhex(node) for node in record.proof],
        bytes.fromhex(bundle.checkpoint.root),
    )
    fields = _object(record.record)
    kind = str(fields.get("kind", "record of no kind"))
    if not included:
        yield Finding(False, f"Leaf {record.index}: what is said to be a {kind} is NOT in the log like this.")
        return
    about = f" about AID {fields['aid']}" if "aid" in fields else ""
    yield Finding(
        True, f"Leaf {record.index}: a {kind}{about} is in the log, word for word as in this bundle."
    )
    teller = _TELLERS.get(kind)
    if teller is not None:
        try:
            yield from teller(_Told(bundle, record, fields, given, trusted, consents))
        except (AttributeError, LookupError, TypeError, ValueError):
            yield Finding(False, f"  The {kind} lacks what one must have.")


@dataclass(frozen=True, slots=True)
class _Told:
    """A record that is in the log, on its way to being told."""

    bundle: Bundle
    record: BundleRecord
    fields: dict[str, Any]
    given: Trusted
    trusted: Trusted
    """With what the keys given vouch for."""
    consents: dict[str, int]
    """Leaves of the deposits told so far, by the SM3 of their consents."""

    def signed(self, party: str, tag: str, statement: Any, signature: str, text: str) -> Finding:
        """Whether a party signed a statement; `text` says what that means."""
        believed = self.trusted.parties.get(party)
        if believed is not None:
            key = next((key for key in believed if statements.verify(key, tag, statement, signature)), None)
            verdict = ""
            if key is None:
                verdict = (
                    " The signature does NOT verify under the key given, nor under one that it vouches for."
                )
            elif key not in self.given.parties[party]:
                verdict = " Signed under a key that the one you gave vouches for."
            return Finding(key is not None, f"  {text}{verdict}")
        inside = any(
            statements.verify(key, tag, statement, signature)
            for keyid, text in self.bundle.keys.items()
            if keyid.split("/")[0] == party and (key := _public_key(text)) is not None
        )
        if not inside:
            return Finding(False, f"  {text} The signature verifies under no key.")
        return Finding(
            None, f"  {text} Checked only with the key in this bundle: none was given for {party}."
        )


def _deposit(told: _Told) -> Iterator[Finding]:
    consent = Consent.model_validate_json(json.dumps(told.fields["consent"]))
    digest = statements.consent_sm3(consent).hex()
    told.consents[digest] = told.record.index
    listed = told.record.consents or []
    if digest not in listed:
        yield Finding(False, "  The consent is not among those that the enterprise is said to have signed.")
        return
    rest = len(listed) - 1
    others = f" (with {rest} other{'s' if rest > 1 else ''}, not shown)" if rest else ""
    signature = statements.signature_text(bytes.fromhex(told.fields["signed"]["signature"]))
    yield told.signed(
        consent.enterprise,
        statements.CONSENT,
        listed,
        signature,
        f"{consent.enterprise} signed this consent{others}: service “{consent.service}”, by"
        f" {' and '.join(consent.channels)} from {', '.join(consent.access_numbers)}, {consent.hours},"
        f" at most {consent.frequency}, from {time_text(consent.term_from)} until {time_text(consent.term_to)};"
        f" collected {time_text(consent.collected_at)}.",
    )


def _confirmation(told: _Told) -> Iterator[Finding]:
    statement = told.fields["statement"]
    deposit = told.consents.get(statement["consent_sm3"])
    which = (
        f"the consent of leaf {deposit}" if deposit is not None else "a consent that is not in this bundle"
    )
    how = {
        "sms-code": "by a code sent to the telephone",
        "network": "by the network, in the person's own session",
    }
    yield told.signed(
        statement["carrier"],
        statements.CONFIRM,
        statement,
        told.fields["signature"],
        f"{statement['carrier']} signed at {time_text(statement['confirmed_at'])} that its subscriber behind EDI"
        f" {statement['edi_id'][:16]}… confirmed {which}, {how[statement['method']]}.",
    )


def _cancellation(told: _Told) -> Iterator[Finding]:
    statement = told.fields["statement"]
    yield told.signed(
        told.fields["by"],
        statements.CANCEL,
        statement,
        told.fields["signature"],
        f"{told.fields['by']} signed at {time_text(statement['at'])} that the authorization given to"
        f" {statement['enterprise']} ends; cause {statement['cause']}.",
    )


def _rotation(told: _Told) -> Iterator[Finding]:
    statement = told.fields["statement"]
    yield told.signed(
        statement["enterprise"],
        statements.ROTATE,
        statement,
        told.fields["signature"],
        f"{statement['enterprise']} signed that AID {told.fields['replaces']} be replaced by this one, for the"
        " same consent.",
    )


def _expiry(told: _Told) -> Iterator[Finding]:
    yield Finding(True, f"  The log's operator recorded at {time_text(told.fields['at'])} that it was over.")


def _communication(told: _Told) -> Iterator[Finding]:
    fields = told.fields
    what = {"mt": "a text to", "mo": "a text from", "call": "a call to", "callback": "a call from"}
    digest = f" Content digest {fields['content_digest'][:16]}…." if "content_digest" in fields else ""
    yield Finding(
        True,
        f"  The log's operator recorded that {fields['carrier']} reported {what[fields['direction']]} the person,"
        f" {fields['enterprise']} under {fields['access_number']}, {time_text(fields['started_at'])} to"
        f" {time_text(fields['ended_at'])}: {fields['result']}.{digest}",
    )


def _key(told: _Told) -> Iterator[Finding]:
    fields = told.fields
    if "statement" not in fields:
        yield Finding(
            True,
            f"  The log's operator recorded at {time_text(fields['at'])} that {fields['keyid']} of {fields['party']} is"
            " known from then on.",
        )
        return
    statement = fields["statement"]
    yield told.signed(
        statement["party"],
        statements.KEYEVENT,
        statement,
        fields["signature"],
        f"{statement['party']} signed that {key_event_text(statement)}.",
    )


def key_event_text(statement: dict[str, Any]) -> str:
    """What a statement about a key says, for people."""
    when = f"{'found at' if statement['found'] else 'at'} {time_text(statement['at'])}"
    approved = statement.get("approved_by")
    by = f", by {statement['by']}" + (f", approved by {' and '.join(approved)}" if approved else "")
    if "custodian" in statement:
        verb = "enrolled" if statement["event"] == "enrol" else "dismissed"
        return f"{when} {statement['custodian']} was {verb} as a custodian{by}"
    name = f"its key {statement['purpose']}/{statement['version']}"
    if statement["event"] == "exported":
        return f"{when} {name} was exported{by}"
    before = statement.get("state_from")
    moved = f"went from {before} to" if before else "was made"
    return f"{when} {name} {moved} {statement['state_to']}{by}"


def _query(told: _Told) -> Iterator[Finding]:
    fields, asked = told.fields, told.fields["asked"]
    case = asked.get("case") or asked.get("number_query")
    yield Finding(
        True,
        f"  The log's operator recorded at {time_text(fields['at'])} that {fields['by']}, a {fields['role']}, asked for"
        f" this evidence{f', case {case}' if case else ''}.",
    )


_TELLERS: Final[Mapping[str, Callable[[_Told], Iterator[Finding]]]] = {
    "DEPOSIT": _deposit,
    "CONFIRMATION": _confirmation,
    "CANCELLATION": _cancellation,
    "ROTATION": _rotation,
    "EXPIRY": _expiry,
    "COMMUNICATION": _communication,
    "KEY": _key,
    "QUERY": _query,
}


def _public_key(text: str) -> PublicKey | None:
    try:
        return PublicKey.from_bytes(bytes.fromhex(text))
    except GmError:
        return None


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
