"""The revocation feed over an MQTT 5 broker that nobody has to trust.

Each message is ``payload | HMAC-SM3[32] over ("ASCS-MQTT1" 00 | topic | 00 | payload)`` under the HMAC key that trust
party and carrier share; the topic names the carrier and the kind. A broker that holds back, repeats or reorders is
found by the payloads' own numbers and nonces. See docs/formats.md, "Revocations".
"""

import hmac
import re
from collections.abc import Iterable
from typing import Final, Literal

from gm.sm3 import hmac_sm3

TAG: Final = b"ASCS-MQTT1\x00"
MAC_BYTES: Final = 32
SESSION_SECONDS: Final = 3600
"""How long the broker keeps what a carrier missed; later, or after a gap, it asks the trust party."""
KEEPALIVE_SECONDS: Final = 5

Kind = Literal["revocations", "heartbeat", "lease"]

_TOPIC: Final = re.compile(r"ascs/([A-Za-z0-9][A-Za-z0-9._-]{0,63})/(revocations|heartbeat|lease)")


def topic_of(carrier: str, kind: Kind) -> str:
    """Where messages of one kind for, or from, one carrier go."""
    return f"ascs/{carrier}/{kind}"


def parse_topic(topic: str) -> tuple[str, str] | None:
    """Carrier and kind of a topic, None for any other."""
    match = _TOPIC.fullmatch(topic)
    return None if match is None else (match[1], match[2])


def seal(key: bytes, topic: str, payload: bytes) -> bytes:
    """The message of a payload on a topic."""
    return payload + _mac(key, topic, payload)


def open_sealed(keys: Iterable[bytes], topic: str, message: bytes) -> bytes | None:
    """The payload of a message that came on a topic; None unless it is authentic under one of `keys`: a message names
    none, and while a key is replaced both sides know two."""
    payload, mac = message[:-MAC_BYTES], message[-MAC_BYTES:]
    return payload if any(hmac.compare_digest(_mac(key, topic, payload), mac) for key in keys) else None


def _mac(key: bytes, topic: str, payload: bytes) -> bytes:
    return hmac_sm3(key, b"".join((TAG, topic.encode(), b"\x00", payload)))
