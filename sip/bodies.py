"""The session description in a message's body, be it alone or a part of a multipart one (RFC 5621, RFC 2046)."""

from __future__ import annotations

import re
from typing import Final

from sip.message import Message
from sip.sdp import SDP_TYPE

PARTS_MAX: Final = 16
"""Parts of a multipart body that are looked at; one with more is not understood."""

_BOUNDARY: Final = re.compile(r';\s*boundary\s*=\s*(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)


def take_description(message: Message) -> None:
    """Leave of the body what an offer or answer can be: a session description.

    Of a multipart body it is the part that is one, unless another part must be understood too (RFC 3261 20.11:
    that is what silence about its handling means). A single body that may be passed over is taken away. What is
    left with another type than application/sdp was not understood: 415 for a request.
    """
    if not message.body or message.content_type in (None, SDP_TYPE):
        return
    if (message.content_type or "").startswith("multipart/"):
        description = _described(message.body, message.get("Content-Type") or "")
        if description is not None:
            _set(message, description)
    elif _is_optional(message.get("Content-Disposition") or ""):
        _set(message, b"")


def _set(message: Message, body: bytes) -> None:
    message.body = body
    for name in ("Content-Disposition", "MIME-Version", "Content-Type"):
        message.remove(name)
    if body:
        message.add("Content-Type", SDP_TYPE)


def _is_optional(disposition: str) -> bool:
    return re.search(r";\s*handling\s*=\s*optional\b", disposition, re.IGNORECASE) is not None


def _described(body: bytes, content_type: str) -> bytes | None:
    match = _BOUNDARY.search(content_type)
    if match is None:
        return None
    delimiter = b"--" + (match[1] or match[2]).encode("utf-8", "surrogateescape")
    # RFC 2046 5.1.1: a delimiter begins a line; what stands before the first one means nothing.
    pieces = re.split(rb"(?:^|\r?\n)" + re.escape(delimiter), body)
    if len(pieces) < 3 or len(pieces) > PARTS_MAX + 2:
        return None
    # RFC 5621 4.2: the last alternative that is understood counts, and none of them need be.
    needs_all = not content_type.lower().startswith("multipart/alternative")
    found: bytes | None = None
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            break
        # The line end belongs to the delimiter; a part without headers begins with an empty line.
        inside = re.sub(rb"\A[ \t]*\r?\n", b"", piece, count=1)
        head, separator, content = _parted(inside)
        kind = _header(head, b"content-type").partition(";")[0].strip().lower()
        disposition = _header(head, b"content-disposition")
        # RFC 3959: a description of another session than this one.
        is_ours = disposition.partition(";")[0].strip().lower() in ("", "session")
        if separator and kind == SDP_TYPE and is_ours:
            found = content if found is None or not needs_all else found
        elif needs_all and not _is_optional(disposition):
            return None
    return found


def _parted(part: bytes) -> tuple[bytes, bytes, bytes]:
    match = re.search(rb"(?:\A|\r?\n)\r?\n", part)
    if match is None:
        return part, b"", b""
    return part[: match.start()], match[0], part[match.end() :]


def _header(head: bytes, name: bytes) -> str:
    for line in re.split(rb"\r?\n(?![ \t])", head):
        key, _, value = line.partition(b":")
        if key.strip().lower() in (name, {b"content-type": b"c"}.get(name, name)):
            return value.strip().decode("utf-8", "surrogateescape")
    return ""
