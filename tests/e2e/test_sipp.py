"""sipp, which nobody here wrote, as the enterprise's phone: calls, a refused call, a callback."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ascs.demo.layout import HOST, DemoEnterprise
from tests.conftest import find_program
from tests.e2e.house import ENT_A, ENT_B, House
from tests.ports import free_port, listening

pytestmark = [pytest.mark.e2e, pytest.mark.peer("sipp"), pytest.mark.asyncio(loop_scope="session")]

SCENARIOS = Path(__file__).with_name("scenarios")
SIPP_S = 20


@contextlib.asynccontextmanager
async def sipp(folder: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """sipp for one call; its messages are in `folder`/messages."""
    program = find_program("sipp")
    assert program is not None
    process = await asyncio.create_subprocess_exec(
        program, *arguments, "-i", HOST, "-m", "1", "-timeout", f"{SIPP_S}s", "-timeout_error",
        "-trace_msg", "-message_file", str(folder / "messages"),
        "-trace_err", "-error_file", str(folder / "errors"), "-nostdin",
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def passed(folder: Path, process: asyncio.subprocess.Process) -> str:
    """The messages of a sipp whose scenario ended as it is written."""
    async with asyncio.timeout(SIPP_S + 5):
        status = await process.wait()
    errors = folder / "errors"
    said = errors.read_text(errors="replace")[-2000:] if errors.exists() else ""
    assert status == 0, f"sipp ended with {status}: {said}"
    return (folder / "messages").read_text(errors="replace")


def authenticated(house: House, enterprise: DemoEnterprise, user: str) -> list[str]:
    """Arguments of a scenario that calls or registers with the trunk's credentials."""
    gateway = f"{HOST}:{house.ports.sip_enterprise}"
    named = f"{user}@{gateway}" if user else gateway
    return [
        gateway, "-auth_uri", named, "-s", user or "none",
        "-key", "access_number", enterprise.access_number,
        "-key", "user", enterprise.sip_user,
        "-au", enterprise.sip_user, "-ap", enterprise.sip_password,
    ]  # fmt: skip


def call(house: House, enterprise: DemoEnterprise, aid: str, scenario: str = "call.xml") -> list[str]:
    port = str(free_port(socket.SOCK_DGRAM))
    return ["-sf", str(SCENARIOS / scenario), *authenticated(house, enterprise, aid), "-p", port]


async def test_a_call_to_an_aid_reaches_the_handset(house: House, tmp_path: Path) -> None:
    person = house.people[1]
    aid = await house.active_aid(ENT_A, person)
    async with sipp(tmp_path, *call(house, ENT_A, aid)) as process:
        messages = await passed(tmp_path, process)
    shown = await house.call(person, lambda each: each["state"] == "ended", "the call's end")
    assert shown["direction"] == "in"
    assert shown["answered"] is not None
    assert ENT_A.access_number in shown["peer"]
    assert person.msisdn[2:] not in messages


@pytest.mark.parametrize("whose", ["nobody's", "another enterprise's"])
async def test_a_call_to_an_aid_that_is_not_the_callers_is_not_found(
    house: House, tmp_path: Path, whose: str
) -> None:
    aid = await house.active_aid(ENT_A, house.people[1])
    if whose == "nobody's":
        aid = aid[:-1] + str((int(aid[-1]) + 1) % 10)
    async with sipp(tmp_path, *call(house, ENT_B, aid, "refused.xml")) as process:
        await passed(tmp_path, process)


async def test_a_callback_reaches_the_registered_phone_under_the_aid(house: House, tmp_path: Path) -> None:
    person = house.people[3]
    aid = await house.active_aid(ENT_A, person)
    # Only whom the enterprise has called before may call back under that contact.
    (tmp_path / "call").mkdir()
    async with sipp(tmp_path / "call", *call(house, ENT_A, aid)) as process:
        await passed(tmp_path / "call", process)

    port = str(free_port(socket.SOCK_DGRAM))
    (tmp_path / "register").mkdir()
    register = ["-sf", str(SCENARIOS / "register.xml"), *authenticated(house, ENT_A, ""), "-p", port]
    async with sipp(tmp_path / "register", *register) as process:
        await passed(tmp_path / "register", process)

    async with sipp(tmp_path, "-sn", "uas", "-p", port) as process:
        await listening(int(port))
        await house.handsets.call(person.msisdn, ENT_A.access_number)
        await house.call(
            person, lambda each: each["direction"] == "out" and each["state"] == "answered", "an answer"
        )
        await house.handsets.hangup(person.msisdn)
        messages = await passed(tmp_path, process)
    caller = re.search(r"^From:.*?sip:([0-9]+)@", messages, re.MULTILINE)
    assert caller is not None
    assert caller[1] == aid
    assert person.msisdn[2:] not in messages
