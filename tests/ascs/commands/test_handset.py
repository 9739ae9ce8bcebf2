"""`ascs handset`: what a person does with a simulated phone, through the fleet's HTTP API."""

import json
from pathlib import Path
from typing import Any

import pytest

from ascs.commands import handset as command
from simulators.http_client import ApiError
from tests.ascs.commands.cli import ascs, done

MSISDN = "8613800000001"
MESSAGE = {"at": 0, "sender": "1069880001", "text": "您的快件已到"}
CALL = {
    "direction": "in", "started": 0, "peer": "1069880001", "state": "ended", "rtp_received": 90, "digits": "12#",
}  # fmt: skip


class Fleet:
    """A HandsetClient in memory: remembers what it was asked."""

    asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]]
    url = ""

    def __init__(self, url: str) -> None:
        Fleet.asked = []
        Fleet.url = url

    async def __aenter__(self) -> "Fleet":
        return self

    async def __aexit__(self, *_: object) -> None: ...

    def __getattr__(self, name: str) -> Any:
        answers = {
            "inbox": [MESSAGE],
            "calls": [CALL],
            "reply": {"to": "1069880001"},
            "call": {"peer": "1069880001"},
        }

        async def ask(*arguments: Any, **options: Any) -> Any:
            Fleet.asked.append((name, arguments, options))
            return answers.get(name, {"state": "talking"})

        return ask


@pytest.fixture(autouse=True)
def fleet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[Fleet]:
    monkeypatch.setattr(command, "HandsetClient", Fleet)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASCS_HANDSETS", raising=False)
    return Fleet


def test_the_inbox_shows_messages_and_calls() -> None:
    shown = done("handset", MSISDN, "inbox")
    assert "1069880001: 您的快件已到" in shown
    assert "call from 1069880001: ended, RTP 90 packets, digits 12#" in shown


def test_the_number_may_have_its_plus(fleet: type[Fleet]) -> None:
    done("handset", f"+{MSISDN}", "inbox")
    assert fleet.asked[0][1] == (MSISDN,)


@pytest.mark.parametrize(
    ("words", "asked", "said"),
    [
        (("reply", "TD"), ("reply", (MSISDN, "TD", None), {}), "sent to 1069880001"),
        (("reply", "TD", "--to", "1"), ("reply", (MSISDN, "TD", "1"), {}), "sent to"),
        (("call", "1069880001"), ("call", (MSISDN, "1069880001"), {}), "calling 1069880001"),
        (("answer",), ("answer", (MSISDN,), {}), "talking"),
        (("reject",), ("reject", (MSISDN,), {}), "talking"),
        (("hangup",), ("hangup", (MSISDN,), {}), "talking"),
        (("press", "12#"), ("digits", (MSISDN, "12#"), {}), ""),
        (
            ("behave", "--busy"),
            ("behave", (MSISDN,), {"answer_after": None, "never": False, "busy": True}),
            "",
        ),
    ],
)
def test_what_a_person_does_reaches_the_phone(
    fleet: type[Fleet], words: tuple[str, ...], asked: tuple[Any, ...], said: str
) -> None:
    assert said in done("handset", MSISDN, *words)
    assert fleet.asked == [asked]


@pytest.mark.parametrize("words", [(), ("--busy", "--never"), ("--answer-after", "1", "--busy")])
def test_a_phone_behaves_in_one_way_at_a_time(words: tuple[str, ...]) -> None:
    assert ascs("handset", MSISDN, "behave", *words).exit_code == 2


def test_the_running_demos_fleet_is_the_default(fleet: type[Fleet], tmp_path: Path) -> None:
    done("handset", MSISDN, "inbox")
    assert fleet.url == command.DEFAULT_URL
    (tmp_path / "var").mkdir()
    described = tmp_path / command.DEMO_FILE
    for ready, url in ((True, "http://127.0.0.1:9999"), (False, command.DEFAULT_URL)):
        described.write_text(json.dumps({"ready": ready, "handsets": {"url": "http://127.0.0.1:9999"}}))
        done("handset", MSISDN, "inbox")
        assert fleet.url == url
    done("handset", "--url", "http://127.0.0.1:1", MSISDN, "inbox")
    assert fleet.url == "http://127.0.0.1:1"


def test_a_fleet_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(*_: Any, **__: Any) -> Any:
        raise ApiError(0, "no answer from http://127.0.0.1:9")

    monkeypatch.setattr(Fleet, "inbox", silent, raising=False)
    result = ascs("handset", MSISDN, "inbox")
    assert (result.exit_code, result.output) == (1, "Error: no answer from http://127.0.0.1:9\n")
