"""The table of the trust party's routes: every operation that another party may ask of it, and its stream.

A route is added here, with its models in `interparty.messages`, and gets its handler in `trust_party.routes`; its
description in docs/openapi/trust-party.json follows (`ascs trust openapi`).
"""

from typing import Any, Final

from interparty import (
    deposit_messages,
    evidence_messages,
    key_messages,
    messages,
    query_messages,
    verify_messages,
)
from interparty.operations import HEALTH, Nothing, Operation, Stream

_ALL: Final = ("enterprise", "carrier", "regulator")
_SAFE: Final = "Reads only; ask again at any time."
_GUESSES: Final = "the caller named too many AIDs that are not its own; ask again later"

DEPOSIT: Final = Operation(
    id="deposit",
    method="POST",
    path="/v1/deposits",
    callers=("enterprise",),
    asks=deposit_messages.DepositRequest,
    answers=deposit_messages.DepositResponse,
    summary="Deposit consents, one or a batch",
    description="Records consents as evidence and gives an AID for each. `signature` is the enterprise's, with SM2,"
    " over `ASCS-CONSENT1` 00 and the JCS form (RFC 8785) of the list of the consents' SM3s (each over the JCS form of"
    " one consent, lower-case hex), in order, even if it is one."
    " A new AID is PENDING: the trust party sends the EDIs to their carriers, which have the subscriber confirm. Each"
    " deposit is taken or refused on its own (`error`); all that are taken are in one commit, on disk before the"
    " answer.",
    repeats="The same consent with the same nonce gets the AID that it got first, with its status now.",
    refusals={403: "this enterprise is suspended, or the signature over the consents does not verify"},
)
STATUS: Final = Operation(
    id="aidStatus",
    method="GET",
    path="/v1/aids/{aid}",
    callers=("enterprise",),
    asks=messages.AidPath,
    answers=deposit_messages.AidStatus,
    summary="Status of one own AID",
    description="What an AID of the asking enterprise is now.",
    repeats=_SAFE,
    refusals={
        404: "not an AID of the caller's; malformed, unknown and another's look alike",
        429: _GUESSES,
    },
)
STATUSES: Final = Operation(
    id="aidStatuses",
    method="POST",
    path="/v1/aids/status",
    callers=("enterprise",),
    asks=deposit_messages.StatusRequest,
    answers=deposit_messages.StatusResponse,
    summary="Status of many own AIDs",
    description="What AIDs are now. One that is not the caller's is UNKNOWN and carries nothing more.",
    repeats=_SAFE,
    refusals={429: _GUESSES},
)
CANCEL: Final = Operation(
    id="cancel",
    method="POST",
    path="/v1/cancellations",
    callers=_ALL,
    asks=deposit_messages.CancellationRequest,
    answers=deposit_messages.CancellationResponse,
    summary="End authorizations",
    description="An enterprise ends its own by `aid`; a carrier, for a subscriber's opt-out, all that enterprise and"
    " `edi_id` have in common; a regulator orders by `aid` that one ends, with the order's number. Each"
    " statement is signed with SM2 over `ASCS-CANCEL1` 00 and its JCS form. When the"
    " answer comes, no verification grants the AID any more, and the revocation is on its way to its carriers.",
    repeats="Changes nothing; REVOKED again.",
)
ROTATE: Final = Operation(
    id="rotate",
    method="POST",
    path="/v1/rotations",
    callers=("enterprise",),
    asks=deposit_messages.RotationRequest,
    answers=deposit_messages.RotationResponse,
    summary="Have AIDs replaced by others for the same consents",
    description="Each statement is signed with SM2 over `ASCS-ROTATE1` 00 and its JCS form. The old AID is ROTATED and"
    " is told to its carriers as a revocation; the new one is ACTIVE at once, under the same consent and term.",
    repeats="The same statement gets the same new AID.",
    refusals={403: "this enterprise is suspended", 429: _GUESSES},
)
VERIFY: Final = Operation(
    id="verify",
    method="POST",
    path="/v1/verifications",
    callers=("carrier",),
    asks=verify_messages.VerifyRequest,
    answers=verify_messages.VerifyResponse,
    summary="Ask whether enterprises may contact AIDs now",
    description="Each question is answered by a grant, with the EDI sealed to the asking carrier and the consent's"
    " terms for the carrier to hold, or by a refusal with its precise reason, which stays inside the carrier."
    " `batch` is what the trust party can be held to: Answers that can be proved. Content and template decide"
    " nothing. Which reasons there are: The life of an AID."
    " Without an answer nobody may be contacted. The same on a stream: `verifyStream`.",
    repeats=_SAFE + " Answers are of the moment and differ when something changed.",
)
CONVERT: Final = Operation(
    id="convert",
    method="POST",
    path="/v1/conversions",
    callers=("carrier",),
    asks=messages.ConversionRequest,
    answers=messages.ConversionResponse,
    summary="The EDI behind an AID",
    description="For an AID that is active and whose EDI is sealed to the asking carrier.",
    repeats=_SAFE,
    refusals={404: "not active, not that enterprise's, or not sealed to the caller; all alike"},
)
RESTORE: Final = Operation(
    id="restore",
    method="POST",
    path="/v1/restorations",
    callers=("carrier",),
    asks=messages.RestoreRequest,
    answers=messages.RestoreResponse,
    summary="Under which AIDs enterprises know subscribers",
    description="For replies and callbacks: `edi_id`, enterprise and access number to the current AID, or a refusal.",
    repeats=_SAFE,
)
CONFIRM: Final = Operation(
    id="confirm",
    method="POST",
    path="/v1/confirmations",
    callers=("carrier",),
    asks=deposit_messages.ConfirmationSubmission,
    answers=deposit_messages.ConfirmationResponse,
    summary="State that subscribers confirmed deposits",
    description="Each statement is signed with SM2 over `ASCS-CONFIRM1` 00 and its JCS form. The AID of a PENDING"
    " deposit becomes ACTIVE.",
    repeats="Changes nothing; the answer is what the AID is now.",
)
REPORT: Final = Operation(
    id="report",
    method="POST",
    path="/v1/reports",
    callers=("carrier",),
    asks=messages.ReportRequest,
    answers=messages.Accepted,
    summary="Report communications that are over",
    description="Texts and calls, under edi_id; each is joined to its AID and becomes a record of the evidence log."
    " What names no deposit of the caller's is counted and dropped.",
    repeats="Changes nothing: a report is known by carrier and report_id.",
)
REVOCATIONS: Final = Operation(
    id="revocations",
    method="POST",
    path="/v1/revocations",
    callers=("carrier",),
    asks=verify_messages.RevocationsRequest,
    answers=verify_messages.RevocationsResponse,
    summary="Revocations after a sequence",
    description="The next of them, at most 500, each signed with SM2 over `ASCS-REVOKE1` 00 and its JCS form."
    " Revocations of one carrier are numbered from 1 without a gap, in the commit that revokes, and are kept: whoever"
    " was away for long gets all. `epoch` is made at random with the trust party's database; one that is set back to an"
    " earlier state begins another, or the same with fewer: then a carrier reads all of them anew, from 0. A carrier"
    " asks when it saw a gap in what was pushed, or a heartbeat with a `sequence` or `epoch` that it has not got, and"
    " once at its very first start, with an `epoch` of zeros, only to learn `epoch` and `newest`. Until all are there,"
    " no cached grant may be used.",
    repeats=_SAFE,
)
QUERY_EVIDENCE: Final = Operation(
    id="queryEvidence",
    method="POST",
    path="/v1/evidence/queries",
    callers=_ALL,
    asks=query_messages.EvidenceQuery,
    answers=query_messages.EvidencePage,
    summary="Everything on record about one consent",
    description="An enterprise asks by AIDs of its own, a carrier by `edi_id` or AID of its own subscribers, a"
    " regulator by any `edi_id` or AID and names the case. Page by page, at most 500 records each, in the order in"
    " which things happened; a page is a bundle, which proves its records offline. While there is `more`, ask again"
    " with `skip`, how many records came so far. Each query becomes a record itself, of which regulators alone are"
    " shown.",
    repeats="The same records, with proofs under a newer checkpoint; it is recorded again.",
    refusals={
        404: "no evidence that the caller may see; unknown, erased and another's look alike",
        422: "a regulator names no case",
        429: "too many queries in a minute, or too many AIDs that are not the caller's",
    },
)
QUERY_KEYS: Final = Operation(
    id="queryKeyEvidence",
    method="POST",
    path="/v1/evidence/key-queries",
    callers=_ALL,
    asks=query_messages.KeyEvidenceQuery,
    answers=query_messages.KeyEvidencePage,
    summary="Everything on record about one party's keys",
    description="What the party reported (`reportKeyEvents`), and the keys of its that were taken here. A party asks"
    " about its own keys, a regulator about any party's, the trust party's among them, and names the case. Page by"
    " page, as `queryEvidence`. Each query becomes a record itself.",
    repeats="The same records, with proofs under a newer checkpoint; it is recorded again.",
    refusals={
        404: "a party that the caller may not ask about; known and unknown look alike",
        422: "a regulator names no case",
        429: "too many queries in a minute",
    },
)
QUERY_NUMBER: Final = Operation(
    id="queryEvidenceByNumber",
    method="POST",
    path="/v1/evidence/number-queries",
    callers=("regulator",),
    asks=query_messages.NumberQueryRequest,
    answers=query_messages.NumberQueryResponse,
    summary="AIDs of whoever held a number, for one enterprise under complaint",
    description="The regulator's own tool seals (number, enterprise, period, case) to each carrier with SM2; two people"
    " who are enrolled at that carrier sign it (`ASCS-QUERY1`). The trust party passes each part on unread and joins"
    " the `edi_id`s that come back to the enterprise's AIDs. `ANSWERED` says nothing of whether anything was found;"
    " what was, each carrier seals to the regulator (`found`), who so notices what the trust party would leave out.",
    repeats="Carriers answer a sealed query once: REFUSED, REPLAYED.",
    refusals={429: "too many queries in a minute"},
)
CHECKPOINT: Final = Operation(
    id="checkpoint",
    method="GET",
    path="/v1/log/checkpoint",
    callers=_ALL,
    asks=evidence_messages.CheckpointQuery,
    answers=evidence_messages.WitnessedCheckpoint,
    summary="A signed head of the evidence log, and who cosigned it",
    description="The newest; with `cosigned`, of the newest that witnesses cosigned the one that most of them did, if"
    " it has at least so many cosignatures. Signed anew when the log grew, or when the last is a minute old.",
    repeats=_SAFE,
    refusals={404: "no checkpoint has so many cosignatures"},
)
CANDIDATE: Final = Operation(
    id="candidate",
    method="GET",
    path="/v1/log/candidate",
    callers=_ALL,
    asks=Nothing,
    answers=evidence_messages.WitnessedCheckpoint,
    summary="The checkpoint that witnesses are to cosign now",
    description="The same for all who ask, for some seconds. A witness checks the log's signature and by `consistency`"
    " that it extends the last checkpoint that it cosigned, keeps it durably, then signs (`cosign`).",
    repeats=_SAFE,
)
COSIGN: Final = Operation(
    id="cosign",
    method="POST",
    path="/v1/log/cosignatures",
    callers=_ALL,
    asks=evidence_messages.SignedCosignature,
    answers=messages.Accepted,
    summary="Hand in a cosignature",
    description="SM2 over `ASCS-COSIGN1` 00 and the statement's JCS form. It is kept as it came and shown to all.",
    repeats="Changes nothing: the first of a witness on a checkpoint is kept.",
    refusals={
        409: "this log signed no such checkpoint: if the log's signature over it verifies, keep it, for the log denies"
        " what it signed",
        410: "a checkpoint of that age is no longer kept unless somebody cosigned it in time; nothing is denied: go on"
        " with the candidate",
        422: "not the caller's, does not verify, from the future, or one too many",
    },
)
VIEWS: Final = Operation(
    id="views",
    method="GET",
    path="/v1/log/views",
    callers=_ALL,
    asks=Nothing,
    answers=evidence_messages.Views,
    summary="The newest checkpoint of each witness",
    description="Whole, with its cosignature, so that each witness can check the others' against its own.",
    repeats=_SAFE,
)
LEAVES: Final = Operation(
    id="leaves",
    method="GET",
    path="/v1/log/leaves",
    callers=_ALL,
    asks=evidence_messages.LeavesQuery,
    answers=evidence_messages.Leaves,
    summary="The log's leaves, for who keeps a copy",
    description="Hashes of salted commitments, padding among them; what they stand for nobody can tell. A copy of all"
    " of them makes the root of every checkpoint without asking for a proof.",
    repeats=_SAFE + " A leaf never changes.",
)
INCLUSION: Final = Operation(
    id="inclusion",
    method="GET",
    path="/v1/log/inclusion",
    callers=_ALL,
    asks=messages.InclusionQuery,
    answers=messages.InclusionBody,
    summary="Proof that an entry is in the log",
    description="RFC 9162, 2.1.3, with SM3. `checkpoint` is there when the newest one is of exactly this size.",
    repeats=_SAFE,
    refusals={404: "the log has no such entry or size"},
)
CONSISTENCY: Final = Operation(
    id="consistency",
    method="GET",
    path="/v1/log/consistency",
    callers=_ALL,
    asks=messages.ConsistencyQuery,
    answers=messages.ConsistencyBody,
    summary="Proof that the log only grew",
    description="RFC 9162, 2.1.4, with SM3.",
    repeats=_SAFE,
    refusals={404: "the log has no such sizes"},
)
KEYS: Final = Operation(
    id="publicKeys",
    method="GET",
    path="/v1/keys",
    callers=_ALL,
    asks=Nothing,
    answers=key_messages.PublicKeys,
    summary="The trust party's public keys, those to come too",
    description="Each is a statement signed with SM2 over `ASCS-KEY1` 00 and its JCS form. Believe a key that is signed"
    " under a sign key you know, and then what that key signs: a new sign key is announced, pre-active, by the one"
    " before, and this word stays here for good. Ask now and then, and when an answer is under a keyid that you do not"
    " know.",
    repeats=_SAFE,
)
DELIVER_KEY: Final = Operation(
    id="deliverKey",
    method="POST",
    path="/v1/keys",
    callers=_ALL,
    asks=key_messages.KeyDelivery,
    answers=key_messages.KeyReceipt,
    summary="Deliver a new key of the caller's",
    description="The envelope is SM2 to the trust party's `envelope` key (`publicKeys`), over the JCS form of a"
    " SignedKeyNotice: `statement` is the notice with the trust party as its `recipient`, signed with SM2 over"
    " `ASCS-KEY1` 00 and its JCS form under a sign key of the caller's that is known here. A carrier delivers `sign`,"
    " `http` and `edi` keys, all others `sign` keys. When the receipt comes the key is in force here, and the one"
    " before is still accepted: only then sign with it. The delivery becomes a record of the evidence log.",
    repeats="Changes nothing: the same receipt. Another key under the same keyid is refused.",
    refusals={
        409: "the envelope does not open, is not signed under a known key, or its keyid names another key"
    },
)
REPORT_KEY_EVENTS: Final = Operation(
    id="reportKeyEvents",
    method="POST",
    path="/v1/key-events",
    callers=_ALL,
    asks=key_messages.KeyEventReport,
    answers=messages.Accepted,
    summary="Report what became of one's own keys",
    description="Each step of each key of a party that keeps keys with states: made, activated, retired, destroyed,"
    " exported, and who may decide about that; never a key. The statement is signed with SM2 over `ASCS-KEYEVENT1` 00"
    " and its JCS form, under a sign key of the caller's that is known here. Events are kept by the party until this"
    " route has answered, however long that takes, and become records of the evidence log. All of a report are taken,"
    " or none.",
    repeats="Changes nothing: an event is known by party and event_id.",
    refusals={
        409: "an event is of another party, not signed under a known key, or of a time to come",
        429: "more events than keys can go through; ask again later",
    },
)
LOG_KEYS: Final = Operation(
    id="logKeys",
    method="GET",
    path="/v1/log/keys",
    callers=_ALL,
    asks=Nothing,
    answers=key_messages.LogKeys,
    summary="The keys that the evidence log had, in order",
    description="Each but the first is named by the one before: SM2 over `ASCS-LOGKEY1` 00 | predecessor[32] |"
    " log_id[32]. The tree goes on; consistency holds between checkpoints under different keys of the chain.",
    repeats=_SAFE,
)

OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    DEPOSIT,
    STATUS,
    STATUSES,
    CANCEL,
    ROTATE,
    VERIFY,
    CONVERT,
    RESTORE,
    CONFIRM,
    REPORT,
    REVOCATIONS,
    QUERY_EVIDENCE,
    QUERY_KEYS,
    QUERY_NUMBER,
    CHECKPOINT,
    CANDIDATE,
    COSIGN,
    VIEWS,
    LEAVES,
    INCLUSION,
    CONSISTENCY,
    KEYS,
    DELIVER_KEY,
    REPORT_KEY_EVENTS,
    LOG_KEYS,
    HEALTH,
)
"""Every route of the trust party but its stream."""

VERIFY_STREAM: Final = Stream(
    id="verifyStream",
    path="/v1/verifications/stream",
    callers=("carrier",),
    summary="Verifications, revocations and the lease on a stream that stays open",
    description="The same questions and answers as `verify`, and what a cached grant needs.\n\n"
    "- `ask`: questions under a number that is new on this stream. `answer` has the answers to it; those to different"
    " asks come in any order. `failed` in its place means that there is no answer, and nobody may be contacted. At"
    " most 16 asks are under way.\n"
    "- `batch`: answers are not held back for SM2. A head signs, within about a second or after 512, all answers sent"
    " since the last one, at least one, whole asks in the order sent, `failed` not counted; and once more before the"
    " trust party closes the stream.\n"
    "- `lease`: a nonce, every half second. It is answered at once, by a `heartbeat` with the nonce, the `epoch`, and"
    " the newest committed `sequence` of this carrier's revocations (0: none). Until 3 seconds after the *sending* of"
    " that nonce, by the carrier's monotonic clock, a grant that was asked for under the lease may be used again for"
    " the same enterprise, AID, channel and access number, unless it was revoked. A carrier that has not got that"
    " `sequence` asks `revocations` first, and holds no lease until it has; so a `revoked` is better sent before a"
    " heartbeat that counts it.\n"
    "- `revoked`: comes unasked, on every open stream of the carrier, in the order of the sequence. What was revoked"
    " before the stream was opened does not come: the first heartbeat tells.\n\n"
    "The trust party of this project takes 64 streams of one carrier, and 32 asks at a time that need its store.",
    sends=(verify_messages.StreamAsk, verify_messages.LeaseNonce),
    receives=(
        verify_messages.StreamAnswer,
        verify_messages.StreamFailure,
        verify_messages.StreamBatch,
        verify_messages.Heartbeat,
        verify_messages.Revoked,
    ),
)
STREAMS: Final = (VERIFY_STREAM,)
