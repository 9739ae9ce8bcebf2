"""docs/refusals.md shows the tables that the code obeys."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.policy.refusal import ANSWERS, Answer, Case
from gateway.voice import admission, callback, peer_policy, transfer
from smpp.constants import CommandStatus

PAGE = (Path(__file__).parents[2] / "docs" / "refusals.md").read_text()


def table_under(heading: str, text: str = PAGE) -> list[tuple[str, ...]]:
    """The body of the first table after a heading."""
    _, _, after = text.partition(heading)
    assert after, f"no heading {heading!r}"
    lines: list[str] = []
    for line in after.splitlines():
        if line.startswith("|"):
            lines.append(line)
        elif lines:
            break
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines[2:]]


def shown(case: Case, answer: Answer) -> tuple[str, str, str]:
    smpp = "" if answer.smpp is None else f"{CommandStatus(answer.smpp).name} 0x{answer.smpp:02X}"
    sip = "" if answer.sip is None else str(answer.sip)
    retry = "" if answer.retry_after_s is None else f" with Retry-After {answer.retry_after_s}"
    return case.value, smpp, sip + retry


def test_the_answers_are_those_of_the_code() -> None:
    assert table_under("## What an enterprise is answered") == [
        shown(case, answer) for case, answer in ANSWERS.items()
    ]


@pytest.mark.parametrize(
    ("heading", "docstring"),
    [
        ("## What the SIP side asks of an enterprise", admission.__doc__),
        ("`gateway/voice/peer_policy.py`", peer_policy.__doc__),
        ("A call is put through", transfer.__doc__),
        ("## What a subscriber's callback is answered", callback.__doc__),
    ],
    ids=["admission", "peer_policy", "transfer", "callback"],
)
def test_the_voice_tables_are_those_of_the_code(heading: str, docstring: str | None) -> None:
    assert docstring is not None
    assert table_under(heading) == table_under("\n", docstring)


def test_the_statuses_beside_the_tables_are_the_protocols() -> None:
    named = re.findall(r"(ESME_\w+) (0x[0-9A-F]+)", PAGE)
    assert {name: int(code, 16) for name, code in named} == {
        name: CommandStatus[name].value for name, _ in named
    }
