"""What a user agent server checks of a request before anything else (RFC 3261 8.2)."""

from __future__ import annotations

from sip.agent_config import DEFAULT_ALLOW, AgentConfig
from sip.message import Request
from sip.sdp import SDP_TYPE
from sip.session_timer import too_small

_KNOWN_METHODS = frozenset((*DEFAULT_ALLOW, "REGISTER", "MESSAGE", "REFER", "SUBSCRIBE", "NOTIFY", "PUBLISH"))
_OFFERING = frozenset(("INVITE", "UPDATE"))
_DESCRIBED = _OFFERING | {"PRACK"}

Refusal = tuple[int, list[tuple[str, object]]]
"""Status and headers of the response."""


def inspect(request: Request, config: AgentConfig) -> Refusal | None:
    """Method, scheme, extensions and content, in the order of 8.2; None when the request may go on."""
    method = request.method
    if method not in config.allow and method != "REGISTER":
        status = 405 if method in _KNOWN_METHODS else 501
        return status, [("Allow", ", ".join(config.allow))]
    if request.uri.scheme not in ("sip", "sips", "tel"):
        return 416, []
    required = request.require
    if required:
        unknown = [
            tag
            for tag in request.get_all("Require")
            if tag.lower() not in (*config.option_tags, *config.tolerated)
        ]
        if unknown:
            return 420, [("Unsupported", ", ".join(unknown))]
    if method not in _DESCRIBED:
        return None
    refused = _inspect_content(request)
    if refused is not None or method not in _OFFERING:
        return refused
    if config.session_expires and too_small(request, config.min_se):
        return 422, [("Min-SE", config.min_se)]  # RFC 4028 9
    if method == "INVITE" and request.to.tag is None:
        return _inspect_new_call(request, required, config)
    return None


def _inspect_content(request: Request) -> Refusal | None:
    if request.body and (request.content_type or SDP_TYPE) != SDP_TYPE:
        # 8.2.3; what may be passed over is gone already (sip.bodies).
        return 415, [("Accept", SDP_TYPE)]
    if request.get("Content-Encoding") not in (None, "identity"):
        return 415, [("Accept-Encoding", "identity")]
    accept = [value.partition(";")[0].strip().lower() for value in request.get_all("Accept")]
    if accept and not {SDP_TYPE, "application/*", "*/*"}.intersection(accept):
        return 406, []
    return None


def _inspect_new_call(request: Request, required: list[str], config: AgentConfig) -> Refusal | None:
    if request.get("Replaces") is not None:
        # RFC 3891 3: a dialog that cannot be matched. None of ours may be taken over, so none is looked for.
        return 481, []
    if config.reliable_provisional == "required" and "100rel" not in (*required, *request.supported):
        return 421, [("Require", "100rel")]  # RFC 3262 3
    return None
