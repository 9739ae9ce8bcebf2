"""What no schema can say of the interface between the parties, in words: the sections of the OpenAPI documents.

The words are in `openapi_words.md`, their numbers and bytes come from the code that obeys them. Whoever has a document
and the standards that it names is to need nothing else, neither this code nor its docs: tests/interop has a trust party
that was written so.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any, Final

from interparty.client import ANSWER_MAX, CONNECTIONS_MAX
from interparty.client import IDLE_SECONDS as ASKER_IDLE_SECONDS
from interparty.server import BODY_MAX, HEADER_MAX, IDLE_SECONDS, RECEIVE_SECONDS
from interparty.signed_http import (
    NONCE_CHARS,
    REQUEST_COMPONENTS,
    RESPONSE_COMPONENTS,
    WINDOW_SECONDS,
)
from interparty.stream import MESSAGE_MAX, PING_SECONDS, SILENCE_MAX, SUBPROTOCOL

WORDS: Final = Path(__file__).with_suffix(".md")

_MIB: Final = 2**20
_SECTION: Final = re.compile(r"<!-- ([a-z]+) -->\n\n(.*?)(?=\n<!-- |\Z)", re.DOTALL)


def sections(vectors: Mapping[str, Any], sends: str, receives: str) -> dict[str, str]:
    """Every section by name. `vectors`: whose `signed_request` is shown; `sends`, `receives`: the stream's messages."""
    request = vectors["signed_request"]
    response = request["response"]
    values = {
        "header_kib": HEADER_MAX // 1024,
        "body_mib": BODY_MAX // _MIB,
        "answer_mib": ANSWER_MAX // _MIB,
        "receive_seconds": f"{RECEIVE_SECONDS:.0f}",
        "connections": CONNECTIONS_MAX,
        "asker_idle": f"{ASKER_IDLE_SECONDS:.0f}",
        "server_idle": IDLE_SECONDS,
        "request_covers": REQUEST_COMPONENTS,
        "response_covers": RESPONSE_COMPONENTS,
        "window": WINDOW_SECONDS,
        "nonce_min": NONCE_CHARS[0],
        "nonce_max": NONCE_CHARS[1],
        "digest": request["content_digest"],
        "input": request["signature_input"],
        "signature": request["signature"],
        "body": request["body"],
        "base": request["signature_base"],
        "status": response["status"],
        "answer": response["body"],
        "answer_base": response["signature_base"],
        "subprotocol": SUBPROTOCOL,
        "message_mib": MESSAGE_MAX // _MIB,
        "ping": f"{PING_SECONDS:.0f}",
        "silent": f"{PING_SECONDS * SILENCE_MAX:.0f}",
        "sends": sends,
        "receives": receives,
    }
    text = WORDS.read_text(encoding="utf-8")
    return {name: Template(words.strip()).substitute(values) for name, words in _SECTION.findall(text)}
