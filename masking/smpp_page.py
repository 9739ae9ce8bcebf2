"""The tables of `smpp_tables` and `smpp_options` as a page for integrators.

`python -m masking.smpp_page > docs/sms-fields.md` writes it; a test holds the page to the tables.
"""

from collections.abc import Iterable, Iterator

from masking.smpp_options import OPTIONS, Option
from masking.smpp_tables import (
    DATA_CODINGS,
    FIELDS,
    PROTOCOL_IDS,
    RECEIPT_FIELDS,
    TLVS,
    UDH_ELEMENTS,
    UNKNOWN_TLV,
    Rule,
    Span,
    Ways,
)
from smpp.constants import Tag

__all__ = ["page"]

_INTRODUCTION = """\
# What of SMPP crosses the gateway

Made from the tables in `masking/smpp_tables.py` and `masking/smpp_options.py`
(`python -m masking.smpp_page > docs/sms-fields.md`). *Towards* is a `submit_sm`'s way to the SMSC, *back* a
`deliver_sm`'s way to the enterprise.

- **keep**: goes on as it came
- **build**: the gateway puts its own value there
- **drop**: falls away; the message goes on without it
- **refuse**: the message is refused for it

What is refused or dropped towards the SMSC can be allowed to an access number by the names at the end. The statuses of
refusals: [refusals.md](refusals.md). Values are hexadecimal.
"""


def page() -> str:
    """The whole page, in Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _INTRODUCTION
    yield from _table("Mandatory fields", "field", ((f"`{name}`", ways) for name, ways in FIELDS.items()))
    yield from _table("protocol_id (3GPP TS 23.040, 9.2.3.9)", "value", _spans(PROTOCOL_IDS))
    yield from _table("data_coding (SMPP 3.4, 5.2.19; 3GPP TS 23.038, 4)", "value", _spans(DATA_CODINGS))
    yield from _table(
        "User data header elements (3GPP TS 23.040, 9.2.3.24)", "identifier", _spans(UDH_ELEMENTS)
    )
    yield from _table("TLVs (SMPP 3.4, 5.3.2; 5.0, 4.8.4)", "tag", _tlvs())
    yield "## A receipt's text (SMPP 3.4, appendix B)"
    yield ""
    yield "| field | back |"
    yield "|---|---|"
    for name, rule in RECEIPT_FIELDS.items():
        yield f"| `{name}` | {_cell(rule)} |"
    yield ""
    yield "## What an access number may be allowed"
    yield ""
    yield "| name | a message that | allows |"
    yield "|---|---|---|"
    for name, option in OPTIONS.items():
        yield f"| `{name}` | {option.effect} | {'; '.join(_allowed(option))} |"


def _table(title: str, first: str, rows: Iterable[tuple[str, Ways]]) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    yield f"| {first} | towards | back |"
    yield "|---|---|---|"
    for name, ways in rows:
        yield f"| {name} | {_cell(ways.towards)} | {_cell(ways.back)} |"
    yield ""


def _cell(rule: Rule) -> str:
    return f"**{rule.action.value}**: {rule.reason}"


def _spans(spans: Iterable[Span]) -> Iterator[tuple[str, Ways]]:
    for span in spans:
        value = f"{span.first:02X}" + (f" to {span.last:02X}" if span.last > span.first else "")
        yield f"{value}, {span.meaning}", span.ways


def _tlvs() -> Iterator[tuple[str, Ways]]:
    for tag, ways in sorted(TLVS.items()):
        yield f"{tag:04X} `{Tag(tag).name.lower()}`", ways
    yield "any other, a vendor's (1400 to 3FFF) too", UNKNOWN_TLV


def _allowed(option: Option) -> Iterator[str]:
    for name, values in (
        ("protocol_id", option.protocol_ids),
        ("data_coding", option.data_codings),
        ("UDH element", option.udh_elements),
    ):
        if values:
            yield f"{name} {_in_words(values)}"
    if option.service_types:
        yield "service_type " + ", ".join(one.decode() for one in sorted(option.service_types))
    if option.tlvs:
        yield ", ".join(f"`{Tag(tag).name.lower()}`" for tag in sorted(option.tlvs))
    if option.default_messages:
        yield "sm_default_msg_id"


def _in_words(values: Iterable[int]) -> str:
    runs: list[list[int]] = []
    for value in sorted(values):
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return ", ".join(f"{run[0]:02X}" + (f" to {run[-1]:02X}" if len(run) > 1 else "") for run in runs)


if __name__ == "__main__":
    print(page(), end="")
