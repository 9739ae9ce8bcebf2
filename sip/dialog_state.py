"""A dialog as plain values, so that who was started anew can end what an earlier run left (RFC 3261 12, 15)."""

from __future__ import annotations

from typing import Any, Final

from sip.dialog import Dialog
from sip.flow import Flow
from sip.headers import HeaderError, parse_name_addr
from sip.uri import UriError, parse_uri

CSEQ_MARGIN: Final = 100_000
"""Added to the sequence number: requests may have gone since it was saved (12.2.1.1 asks for a higher one)."""


def save(dialog: Dialog) -> dict[str, Any]:
    """What `restore` needs; JSON can carry it. It names whom the dialog is with: seal it."""
    return {
        "call_id": dialog.call_id,
        "local": str(dialog.local),
        "remote": str(dialog.remote),
        "target": str(dialog.remote_target),
        "routes": [str(route) for route in dialog.route_set],
        "flow": list(dialog.flow),
        "cseq": dialog.local_cseq,
        "pinned": dialog.pinned,
    }


def restore(state: dict[str, Any]) -> Dialog:
    """The dialog, confirmed. Over UDP a pinned one goes on to where it went; a connection died with the run
    that had it, and the target is taken.

    :raises ValueError: this is not what `save` gives.
    """
    try:
        flow = Flow(*state["flow"])
        return Dialog(
            state["call_id"],
            parse_name_addr(state["local"]),
            parse_name_addr(state["remote"]),
            parse_uri(state["target"]),
            [parse_name_addr(route) for route in state["routes"]],
            flow,
            local_cseq=state["cseq"] + CSEQ_MARGIN,
            remote_cseq=None,
            confirmed=True,
            pinned=state["pinned"] and not flow.reliable,
        )
    except (KeyError, TypeError, HeaderError, UriError) as error:
        raise ValueError("not a saved dialog") from error
