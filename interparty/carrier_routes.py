"""The table of the carrier's routes: every operation that another party may ask of it.

A route is added here, with its models in `interparty.messages`, and gets its handler in `gateway.carrier_api.routes`;
its description in docs/openapi/carrier.json follows (`ascs gateway openapi`).
"""

from typing import Any, Final

from interparty import carrier_messages, key_messages, messages, query_messages
from interparty.operations import HEALTH, Nothing, Operation

CONFIRMATION_REQUESTS: Final = Operation(
    id="requestConfirmations",
    method="POST",
    path="/v1/confirmation-requests",
    callers=("trust party",),
    asks=carrier_messages.ConfirmationRequests,
    answers=messages.Accepted,
    summary="Have subscribers confirm deposits",
    description="The carrier opens the EDIs that are sealed to it, finds the one subscriber, has that subscriber"
    " confirm (a code by SMS, or a session that the network asserts), and states it at the trust party's `confirm`."
    " The answer is the same whatever is inside: unknown, ambiguous and unanswered look alike, and the deposit stays"
    " PENDING until it expires.",
    repeats="Changes nothing: a request is known by deposit_id.",
    status=202,
)
ASSERTIONS: Final = Operation(
    id="assertSessions",
    method="POST",
    path="/v1/assertions",
    callers=("network peer",),
    asks=carrier_messages.AssertionRequest,
    answers=messages.Accepted,
    summary="Assert whose session it was",
    description="A network peer of the carrier, such as its portal's authentication, states which subscriber's session"
    " an EDI was made in. It stays inside the carrier domain. The answer is the same whatever becomes of it.",
    repeats="Changes nothing.",
    status=202,
)

NUMBER_QUERIES: Final = Operation(
    id="queryNumber",
    method="POST",
    path="/v1/number-queries",
    callers=("trust party",),
    asks=query_messages.CarrierNumberQuery,
    answers=query_messages.CarrierNumberReply,
    summary="Answer a regulator's sealed query by number",
    description="The trust party passes on what it cannot read: `sealed` opens with this carrier's query key alone."
    " Two different people who are enrolled at this carrier for the requester must have signed it: SM2 over"
    " `ASCS-QUERY1` 00 and the JCS form of the approval. The answer always holds 128 ids in ascending order, those that"
    ' were found among random ones, signed over `ASCS-ANSWER1`; "not our subscriber" and "nothing found" are one'
    " answer. Refused queries and answered ones are recorded here, and queries a day are capped.",
    repeats="A query is answered once: REPLAYED.",
)

KEYS: Final = Operation(
    id="publicKeys",
    method="GET",
    path="/v1/keys",
    callers=("trust party", "network peer"),
    asks=Nothing,
    answers=key_messages.PublicKeys,
    summary="The carrier's public keys, those to come too",
    description="As the trust party's `publicKeys`: each signed with SM2 over `ASCS-KEY1` 00 and its JCS form.",
    repeats="Reads only; ask again at any time.",
)
DELIVER_KEY: Final = Operation(
    id="deliverKey",
    method="POST",
    path="/v1/keys",
    callers=("trust party",),
    asks=key_messages.KeyDelivery,
    answers=key_messages.KeyReceipt,
    summary="Deliver a new sign key of the trust party's",
    description="As the trust party's `deliverKey`: SM2 to this carrier's `envelope` key over the JCS form of a"
    " SignedKeyNotice whose `recipient` is this carrier. When the receipt comes the key is in force here.",
    repeats="Changes nothing: the same receipt. Another key under the same keyid is refused.",
    refusals={
        409: "the envelope does not open, is not signed under a known key, or its keyid names another key"
    },
)

OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    CONFIRMATION_REQUESTS,
    ASSERTIONS,
    NUMBER_QUERIES,
    KEYS,
    DELIVER_KEY,
    HEALTH,
)
"""Every route of a carrier."""
