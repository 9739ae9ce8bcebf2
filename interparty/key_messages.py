"""What parties and the people of one party say about keys: announcements, deliveries, and orders that need two people.

See docs/formats.md, "Keys".
"""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, StringConstraints

from interparty.messages import Message, together
from interparty.values import Label, Millis, Nonce, PartyId, SignatureText, Sm3Hex

ENVELOPE_TEXT_MAX: Final = 8192
"""Characters of an envelope: base64url of an SM2 ciphertext."""
KEYS_MAX: Final = 200
"""Keys in one list."""
KEY_VERSION_MAX: Final = 2**32 - 1
EVENTS_MAX: Final = 500
"""Key events in one report."""

KeyName = Literal["sign", "http", "edi", "envelope", "agreement", "log", "query"]
KeyIdText = Annotated[
    str,
    StringConstraints(
        min_length=5, max_length=108, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[a-z0-9-]+/[1-9][0-9]*$"
    ),
]
KeyVersion = Annotated[int, Field(ge=1, le=KEY_VERSION_MAX)]
KeyValue = Annotated[str, StringConstraints(pattern=r"^(04[0-9a-f]{128}|[0-9a-f]{64})$")]
EdiKeyId = Annotated[str, StringConstraints(min_length=4, max_length=4, pattern=r"^[!-~]{4}$")]
EnvelopeText = Annotated[
    str, StringConstraints(min_length=1, max_length=ENVELOPE_TEXT_MAX, pattern=r"^[A-Za-z0-9_-]+$")
]
PemText = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Purpose = Annotated[str, StringConstraints(min_length=1, max_length=128)]
PublicKeyHex = Annotated[str, StringConstraints(min_length=130, max_length=130, pattern=r"^04[0-9a-f]{128}$")]


# --- between parties --------------------------------------------------------------------------------


class KeyNotice(Message):
    """ASCS-KEY1: a party says that a key is its own, and what it is for."""

    party: PartyId
    """Whose key it is; the party that signs."""
    recipient: PartyId | None = None
    """For whom it is; absent: for everyone. A secret key always has one."""
    key: KeyName
    """sign: SM2 over messages and statements. http: HMAC-SM3 shared with the recipient. edi: EDIs are sealed to it.
    envelope: keys are delivered to it. agreement: texts are enveloped to it. log: checkpoints. query: queries by
    number are sealed to it."""
    version: KeyVersion
    """From 1, raised with each new key of this name. Its keyid is <party>/<key>/<version>."""
    edi_key_id: EdiKeyId | None = None
    """Of an edi key alone: the carrier key id in EDI headers, 4 printable ASCII characters."""
    algorithm: Literal["sm2", "hmac-sm3"]
    """hmac-sm3 for http, sm2 for all others."""
    value: KeyValue
    """A public key, 04 | X | Y, or the 32 bytes of an HMAC key, in hex."""
    state: Literal["pre-active", "active", "retired"]
    """pre-active: will be used from some time on. retired: verifies or opens what there is already."""
    at: Millis
    """When this was said."""


class SignedKeyNotice(Message):
    """A key for which its party can be held to."""

    statement: KeyNotice
    """What is signed."""
    keyid: KeyIdText
    """The sign key of that party under which it is signed: one that is known already."""
    signature: SignatureText
    """Over ASCS-KEY1 and the statement."""


class KeyDelivery(Message):
    """POST /v1/keys: one key, in an envelope that the recipient alone can open."""

    envelope: EnvelopeText
    """SM2 (C1 C3 C2, C1 without its leading 04) to the recipient's envelope key, over the JCS form of a
    SignedKeyNotice; base64url."""


class KeyReceipt(Message):
    """The key is kept, and in force at the recipient: it may be used from now on."""

    keyid: KeyIdText
    """What was taken."""


class CarrierCard(Message):
    """carrier.json: what a carrier's operator hands the trust party's, to be admitted by it."""

    id: PartyId
    """The carrier, 4 characters."""
    sign_keyid: KeyIdText
    """Of its current sign key."""
    sign_public_key: PemText
    """That key. Compare its fingerprint with the carrier over another way."""
    edi_key_id: EdiKeyId
    """Of its current EDI key."""
    edi_public_key: PemText
    """That key."""
    http_key_envelope: EnvelopeText | None = None
    """The HMAC key that both are to share, as a KeyDelivery's envelope to the trust party; absent: it is delivered
    later."""


class PublicKeys(Message):
    """GET /v1/keys: the party's public keys, those to come too. Believe what is signed by a key that is known."""

    keys: Annotated[list[SignedKeyNotice], Field(max_length=KEYS_MAX)]
    """Sign keys first, by version: each may be the one that signs the next."""


class LogKeyBody(Message):
    """A key of the evidence log."""

    model_config = ConfigDict(json_schema_extra=together("predecessor", "signature"))

    log_id: Sm3Hex
    """The log's name in checkpoints that this key signed."""
    public_key: PublicKeyHex
    """The key."""
    predecessor: Sm3Hex | None = None
    """The log_id of the key before; absent for the first."""
    signature: SignatureText | None = None
    """By the key before, over "ASCS-LOGKEY1" 00 | predecessor[32] | log_id[32]."""


class LogKeys(Message):
    """GET /v1/log/keys: every key that the evidence log had, in order."""

    keys: Annotated[list[LogKeyBody], Field(max_length=KEYS_MAX)]
    """The first is the one that witnesses began with."""


KeyEventName = Literal[
    "made", "activated", "retired", "destroyed", "missing", "restored", "exported", "enrol", "dismiss"
]
KeyState = Literal["pre-active", "active", "retired", "destroyed", "missing"]
KeyAlgorithm = Literal["sm2", "sm2-public", "sm4", "hmac-sm3"]


class KeyEvent(Message):
    """ASCS-KEYEVENT1: what became of one of a party's keys, or of the people who decide about them. Never a key."""

    party: PartyId
    """Whose key it is; the party that signs."""
    event_id: Nonce
    """By which the event is known again, however often it is told."""
    sequence: Annotated[int, Field(ge=1, le=KEY_VERSION_MAX)]
    """The party's own count of its key events, from 1 without gaps."""
    event: KeyEventName
    """made, activated, retired, destroyed: what the states say. missing: its key store lacks a key that it had.
    restored: a move that no operation makes, such as of a key store from a backup. exported: it left in an envelope.
    enrol, dismiss: of a custodian."""
    purpose: Purpose | None = None
    """Of the key; absent of a custodian, as the next six are."""
    version: KeyVersion | None = None
    """Of the key."""
    algorithm: KeyAlgorithm | None = None
    """sm2-public: another party's key."""
    key_id: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None
    """The name by which others know it."""
    state_from: KeyState | None = None
    """As the last event of this key had it; absent of a key that is new."""
    state_to: KeyState | None = None
    """As it is now."""
    public_sm3: Sm3Hex | None = None
    """SM3 over 04 | X | Y of a public key; absent of a secret one."""
    custodian: PartyId | None = None
    """enrol, dismiss: who."""
    recipient: PublicKeyHex | None = None
    """exported: the SM2 key that alone opens the envelope."""
    by: Label
    """Who did it: the account under which the party's command or service ran, or the party that delivered the key."""
    approved_by: Annotated[list[PartyId], Field(min_length=2, max_length=50)] | None = None
    """The custodians who signed the order."""
    order_sm3: Sm3Hex | None = None
    """SM3 over the JCS form of the KeyOrder that they signed."""
    found: bool
    """True: nobody recorded it when it was done (a crash, a backup); it was found later, and `at` is when."""
    at: Millis
    """When it was done, or found."""


class SignedKeyEvent(Message):
    """A key event that its party can be held to."""

    statement: KeyEvent
    """What is signed."""
    keyid: KeyIdText
    """The sign key of that party under which it is signed."""
    signature: SignatureText
    """Over ASCS-KEYEVENT1 and the statement."""


class KeyEventReport(Message):
    """POST /v1/key-events: what became of the caller's keys."""

    events: Annotated[list[SignedKeyEvent], Field(min_length=1, max_length=EVENTS_MAX)]
    """In the order of their sequence."""


# --- between the people of one party -------------------------------------------------------------------


class KeyOrder(Message):
    """What two custodians are to agree to, and how it is told from every other."""

    party: PartyId
    """Whose key store it is about."""
    operation: Literal["export", "destroy", "enrol", "dismiss"]
    """Of a key, or of a custodian."""
    purpose: Purpose | None = None
    """Of the key."""
    version: KeyVersion | None = None
    """Of the key."""
    recipient: PublicKeyHex | None = None
    """export: the SM2 key to which the material is enveloped."""
    custodian: PartyId | None = None
    """enrol, dismiss: who."""
    name: Label | None = None
    """enrol: that person's name."""
    custodian_key: PublicKeyHex | None = None
    """enrol: that person's SM2 key."""
    nonce: Nonce
    """Of this order alone: it is carried out once."""
    at: Millis
    """When it was drawn up."""


class KeyApproval(Message):
    """ASCS-KEYOP1: one custodian agrees to an order."""

    order: KeyOrder
    """The whole of it."""
    custodian: PartyId
    """Who signs."""
    at: Millis
    """When."""


class SignedKeyApproval(Message):
    """An agreement that the custodian can be held to."""

    statement: KeyApproval
    """What is signed."""
    signature: SignatureText
    """The custodian's, over ASCS-KEYOP1 and the statement."""
