"""What the app on the phone does: seal the phone's identifier to its carrier, where it is collected.

It knows the carrier's public key and the enterprise's consent nonce, and none of the enterprise's
servers: those get the sealed bytes alone.
"""

import time

from gm.sm2 import PublicKey
from interparty import edi
from interparty.edi import IdType


def seal_identifier(
    carrier_public_key: PublicKey,
    *,
    carrier: str,
    carrier_key_id: str,
    id_type: IdType,
    identifier: str,
    enterprise: str,
    consent_nonce: bytes,
    now_ms: int | None = None,
) -> bytes:
    """Seal `identifier` (see interparty.edi.seal for its forms) as of today in Asia/Shanghai.

    `carrier` and `carrier_key_id` name the key, 4 characters each; `consent_nonce` is the 16 bytes that
    the enterprise's consent page gave; `now_ms` is the phone's clock. Returns the 209 bytes of an EDI.
    Raises ValueError for fields out of range.
    """
    at_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    return edi.seal(
        carrier_public_key,
        id_type=id_type,
        identifier=identifier,
        enterprise=enterprise,
        consent_nonce=consent_nonce,
        as_of=edi.date_in_shanghai(at_ms),
        carrier=carrier,
        carrier_key_id=carrier_key_id,
    )
