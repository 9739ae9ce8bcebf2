"""The tables of `sip_rules` as a page for integrators.

`python -m masking.sip_page > docs/sip-fields.md` writes it; a test holds the page to the tables.
"""

from collections.abc import Iterator

from masking.sip_leg import CODECS
from masking.sip_rules import HEADER_RULES, MEDIA, SDP_ATTRIBUTES, SDP_LINES, STATUS_SHOWN, Rule

__all__ = ["page"]

_INTRODUCTION = """\
# What of SIP crosses the gateway

Made from the tables in `masking/sip_rules.py` (`python -m masking.sip_page > docs/sip-fields.md`). A call has two legs,
which are two dialogs that share nothing: From, To, Call-ID, tags, Via, Contact, CSeq, Record-Route and all that is not
in this page are made anew on each. A header, an SDP line or an attribute that is not here does not cross. Bodies are
descriptions (`application/sdp`) and INFO with digits. Of a multipart body the description is taken and the rest, ISUP
for one, stays behind; another body, and a part that must be understood, is answered 415, or passed over where it is
marked optional.

`tests/gateway/voice/test_number_stays_inside.py` plants a person's number in all of these, in headers and lines that
nobody knows, in reason phrases and in bodies, and searches every octet that the enterprise receives.
"""


_AUDIO = """\
In the gateway's own relay. What rtpengine does otherwise is in
[operate.md](operate.md#media-the-relay-or-rtpengine)."""

_STATUSES = """\
The phrase is the standard's, never the peer's. Of the core's other statuses: 1xx is shown as 183, 3xx and 4xx as 480,
5xx as 500, 6xx as 603. A redirection is not followed."""


def page() -> str:
    """The whole page, in Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _INTRODUCTION
    yield "## Headers"
    yield ""
    yield "| header | to the enterprise | to the core | why |"
    yield "|---|---|---|---|"
    for name, rule in HEADER_RULES.items():
        yield f"| `{name}` | {_way(rule, rule.to_enterprise)} | {_way(rule, rule.to_core)} | {rule.reason} |"
    yield ""
    yield "## Descriptions (SDP, RFC 8866), both ways alike"
    for title, table in (("line", SDP_LINES), ("attribute", SDP_ATTRIBUTES)):
        yield ""
        yield f"| {title} | what | why |"
        yield "|---|---|---|"
        for name, (what, why) in table.items():
            yield f"| `{name}` | **{what}** | {why} |"
    yield ""
    yield "Formats of the first audio stream, in the order they came, with their payload types; of `fmtp` only these:"
    yield ""
    yield "| format | fmtp |"
    yield "|---|---|"
    for name, parameters in CODECS.items():
        yield f"| {name} | {', '.join(f'`{each}`' for each in parameters)} |"
    yield ""
    yield "## Audio, both ways alike"
    yield ""
    yield _AUDIO
    yield ""
    yield "| what | | why |"
    yield "|---|---|---|"
    for name, (what, why) in MEDIA.items():
        yield f"| {name} | **{what}** | {why} |"
    yield ""
    yield "## Final and provisional statuses, as the enterprise is shown them"
    yield ""
    yield _STATUSES
    yield ""
    yield "| from the core | shown |"
    yield "|---|---|"
    for status, (shown, phrase) in STATUS_SHOWN.items():
        yield f"| {status} | {shown} {phrase} |"


def _way(rule: Rule, crosses: bool) -> str:
    return "**build**" if rule.crosses and crosses else "**drop**"


if __name__ == "__main__":
    print(page(), end="")
