"""sipp on both sides of the gateway: each flow of a call as the enterprise and as the core see it.

The scenarios are made by tests/e2e/scenario.py. A flow passes when both sipps end as their scenarios are written,
the call's record says how it ended, and the enterprise's side has seen no number of a person.
"""

from __future__ import annotations

import asyncio
import re
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from ascs.demo.layout import HOST, DemoEnterprise, Person
from tests.e2e.house import ENT_A, ENT_B, House, until
from tests.e2e.scenario import (
    AGAIN,
    AWAITED,
    HELD,
    HOLD,
    ISUP,
    KEY,
    KEY_TYPE,
    MET,
    SDP,
    SDP_AND_ISUP,
    Callee,
    Caller,
    Scenario,
)
from tests.e2e.test_sipp import SCENARIOS, authenticated, passed, sipp
from tests.ports import free_port, listening

pytestmark = [pytest.mark.e2e, pytest.mark.peer("sipp"), pytest.mark.asyncio(loop_scope="session")]

BRIEFLY_MS = 300


def caller() -> Caller:
    return Caller().call()


def answered() -> Scenario:
    """A caller whose call is answered."""
    return caller().gets(100, optional=True).gets(180).gets(200).ack()


def callee() -> Callee:
    return Callee()


def answering() -> Scenario:
    """A callee who rings and answers."""
    return callee().says("180 Ringing").says("200 OK", SDP).asked("ACK")


def refused(status: int) -> Scenario:
    """A caller whose call is refused."""
    return caller().gets(100, optional=True).gets(180, optional=True).gets(status).ack_refusal()


def refusing(status: str, *headers: str) -> Scenario:
    return callee().says(status, "", *headers).asked("ACK")


@dataclass(frozen=True)
class Flow:
    """Both sides of a call, the record that it leaves, and what the enterprise must not have seen."""

    enterprise: Scenario
    core: Scenario
    result: str
    hidden: tuple[str, ...] = ()


FLOWS = {
    "the enterprise hangs up": Flow(
        answered().request("BYE").gets(200),  #
        answering().asked("BYE").answers("200 OK"),
        "ANSWERED",
    ),
    "the person hangs up": Flow(
        answered().asked("BYE").answers("200 OK"),
        answering().pause(BRIEFLY_MS).request("BYE").gets(200),
        "ANSWERED",
    ),
    "busy": Flow(refused(486), refusing("486 Busy Here"), "BUSY"),
    "rejected": Flow(refused(603), refusing("603 Decline"), "REJECTED"),
    "no answer": Flow(refused(480), refusing("480 Temporarily Unavailable"), "NO_ANSWER"),
    "a refusal's words": Flow(
        refused(486),
        refusing("486 Zhang San is out", 'Warning: 399 ims "call 13900000000"', "Reason: Q.850;cause=17"),
        "BUSY",
        ("Zhang", "13900000000"),
    ),
    "a redirect is not followed and not told": Flow(
        refused(480),
        callee().answers(
            "302 Moved Temporarily", "", "Contact: <sip:13900000000@192.0.2.1>", tag=Callee.TAG
        ).asked("ACK"),
        "FAILED",
        ("13900000000", "192.0.2.1"),
    ),
    "cancelled": Flow(
        caller().gets(100, optional=True).gets(180).cancel().gets(200).gets(487).ack_refusal(),
        callee().says("180 Ringing").asked("CANCEL").answers("200 OK").says_to_invite("487 Request Terminated")
        .asked("ACK"),
        "CANCELLED",
    ),
    "answered while it was cancelled": Flow(
        caller().gets(100, optional=True).gets(180).cancel().gets(200).gets(487).ack_refusal(),
        callee().says("180 Ringing").asked("CANCEL").answers("200 OK").says_to_invite("200 OK", SDP)
        .asked("ACK").asked("BYE").answers("200 OK"),
        "CANCELLED",
    ),
    "early media stays in the core": Flow(
        answered().request("BYE").gets(200),
        callee().says("183 Session Progress", SDP).pause(BRIEFLY_MS).says("200 OK", SDP).asked("ACK")
        .asked("BYE").answers("200 OK"),
        "ANSWERED",
        ("183 Session Progress",),
    ),
    "two branches ring and the second answers": Flow(
        answered().request("BYE").gets(200),
        callee().says("180 Ringing", fork="x").says("180 Ringing").says("200 OK", SDP).asked("ACK")
        .asked("BYE").answers("200 OK"),
        "ANSWERED",
    ),
    "the enterprise holds and resumes": Flow(
        answered().request("INVITE", HOLD).gets(100, optional=True).gets(200).ack()
        .request("INVITE", AGAIN).gets(100, optional=True).gets(200).ack()
        .request("BYE").gets(200),
        answering().asked("INVITE").answers("200 OK", HELD).asked("ACK")
        .asked("INVITE").answers("200 OK", SDP).asked("ACK")
        .asked("BYE").answers("200 OK"),
        "ANSWERED",
    ),
    "the person holds and resumes": Flow(
        answered().asked("INVITE").answers("200 OK", HELD).asked("ACK")
        .asked("INVITE").answers("200 OK", SDP).asked("ACK")
        .asked("BYE").answers("200 OK"),
        answering().pause(BRIEFLY_MS).request("INVITE", HOLD).gets(100, optional=True).gets(200).ack()
        .request("INVITE", AGAIN).gets(100, optional=True).gets(200).ack()
        .request("BYE").gets(200),
        "ANSWERED",
    ),
    "a change that the other side refuses": Flow(
        answered().request("INVITE", HOLD).gets(100, optional=True).gets(488).ack_change()
        .request("BYE").gets(200),
        answering().asked("INVITE").answers("488 Not Acceptable Here").asked("ACK")
        .asked("BYE").answers("200 OK"),
        "ANSWERED",
    ),
    "a change that meets another": Flow(
        answered().request("INVITE", HOLD).gets(100, optional=True).gets(491).ack_change()
        .request("BYE").gets(200),
        answering().asked("INVITE").answers("491 Request Pending").asked("ACK")
        .asked("BYE").answers("200 OK"),
        "ANSWERED",
    ),
    "the offer comes with the answer": Flow(
        Caller().call("").gets(100, optional=True).gets(180).gets(200).ack(SDP).request("BYE").gets(200),
        answering().asked("BYE").answers("200 OK"),
        "ANSWERED",
    ),
    "a transfer to a number is refused": Flow(
        answered().request("REFER", "", "Refer-To: <tel:+8613900000000>").gets(404).request("BYE").gets(200),
        answering().asked("BYE").answers("200 OK"),
        "ANSWERED",
    ),
    "the core may not transfer": Flow(
        answered().asked("BYE").answers("200 OK"),
        answering().pause(BRIEFLY_MS).request("REFER", "", "Refer-To: <sip:888100000000000001@aid.demo>").gets(405)
        .request("BYE").gets(200),
        "ANSWERED",
    ),
    "the core's reliable ringing is acknowledged": Flow(
        answered().request("BYE").gets(200),
        callee().says("183 Session Progress", SDP, "Require: 100rel", "RSeq: 7").asked("PRACK").answers("200 OK")
        .says_to_invite("180 Ringing", "", "Require: 100rel", "RSeq: 8").asked("PRACK").answers("200 OK")
        .says_to_invite("200 OK").asked("ACK").asked("BYE").answers("200 OK"),
        "ANSWERED",
    ),
    "the enterprise wants its ringing reliable": Flow(
        Caller().call(SDP, "Require: 100rel").gets(100, optional=True).gets_reliable(180).gets(200).ack_of(2)
        .request("BYE").gets(200),
        answering().asked("BYE").answers("200 OK"),
        "ANSWERED",
    ),
    "the core moves its audio before it answers": Flow(
        answered().request("BYE").gets(200),
        callee().says("183 Session Progress", SDP, "Require: 100rel", "RSeq: 7").asked("PRACK").answers("200 OK")
        .request("UPDATE", AGAIN).gets(200).says_to_invite("200 OK").asked("ACK").asked("BYE").answers("200 OK"),
        "ANSWERED",
    ),
    "the enterprise changes by UPDATE": Flow(
        answered().request("UPDATE", HOLD).gets(200).request("BYE").gets(200),
        answering().asked("INVITE").answers("200 OK", HELD).asked("ACK").asked("BYE").answers("200 OK"),
        "ANSWERED",
    ),
    "the core changes by UPDATE": Flow(
        answered().asked("INVITE").answers("200 OK", HELD).asked("ACK").asked("BYE").answers("200 OK"),
        answering().pause(BRIEFLY_MS).request("UPDATE", HOLD).gets(200).request("BYE").gets(200),
        "ANSWERED",
    ),
    "a refresh that offers nothing": Flow(
        answered().request("INVITE").gets(100, optional=True).gets(200).ack(SDP).pause(4 * BRIEFLY_MS)
        .request("BYE").gets(200),
        answering().pause(2 * BRIEFLY_MS).request("INVITE").gets(100, optional=True).gets(200).ack(SDP)
        .asked("BYE").answers("200 OK"),
        "ANSWERED",
    ),
    "keys by INFO both ways": Flow(
        answered().request("INFO", KEY, f"Content-Type: {KEY_TYPE}").gets(200)
        .asked("INFO").answers("200 OK").request("BYE").gets(200),
        answering().asked("INFO").answers("200 OK").request("INFO", KEY, f"Content-Type: {KEY_TYPE}").gets(200)
        .asked("BYE").answers("200 OK"),
        "ANSWERED",
    ),
    "other requests inside a call do not cross": Flow(
        answered().request("INFO", "x", "Content-Type: text/plain").gets(415)
        .request("MESSAGE", "x", "Content-Type: text/plain").gets(405)
        .request("OPTIONS").gets(200).request("BYE").gets(200),
        answering().asked("BYE").answers("200 OK"),
        "ANSWERED",
    ),
    "ISUP beside the description stays in the core": Flow(
        answered().request("BYE").gets(200),
        callee().says("183 Session Progress", SDP_AND_ISUP, f"Content-Type: {ISUP}")
        .says("200 OK", SDP_AND_ISUP, f"Content-Type: {ISUP}").asked("ACK").asked("BYE").answers("200 OK"),
        "ANSWERED",
        ("ISUP", "13900000000"),
    ),
    "a second branch answers too": Flow(
        answered().request("BYE").gets(200),
        callee().says("180 Ringing").says("180 Ringing", fork="x").says("200 OK", SDP).asked("ACK")
        .says_to_invite_of("x", "200 OK", SDP).asked("ACK").asked("BYE").answers("200 OK")
        .asked("BYE").answers("200 OK"),
        "ANSWERED",
    ),
    "nobody acknowledges the answer": Flow(
        caller().gets(100, optional=True).gets(180).gets(200).asked("BYE").answers("200 OK"),
        answering().asked("BYE").answers("200 OK"),
        "LOST",
    ),
    "the core is gone when a change is offered": Flow(
        answered().request("INVITE", HOLD).gets(100, optional=True).gets(487).ack_change()
        .asked("BYE").answers("200 OK"),
        answering().asked("INVITE").asked("BYE").answers("200 OK"),
        "LOST",
    ),
    "neither side sends audio": Flow(
        answered().asked("BYE").answers("200 OK"),
        answering().asked("BYE").answers("200 OK"),
        "SILENCE",
    ),
}  # fmt: skip


async def record(house: House, after: int) -> str:
    """How the first call that was recorded after the record `after` ended."""

    async def ask() -> str | None:
        return await asyncio.to_thread(_record, house, after)

    found: str = await until(ask, "the call's record")
    return found


def _record(house: House, after: int) -> str | None:
    with closing(
        sqlite3.connect(f"file:{house.layout.carrier / 'carrier.db'}?mode=ro", uri=True)
    ) as database:
        row = database.execute(
            "SELECT result FROM cdr WHERE seq > ? AND kind LIKE 'call%'", (after,)
        ).fetchone()
    return row[0] if row else None


def records_so_far(house: House) -> int:
    with closing(
        sqlite3.connect(f"file:{house.layout.carrier / 'carrier.db'}?mode=ro", uri=True)
    ) as database:
        return int(database.execute("SELECT coalesce(max(seq), 0) FROM cdr").fetchone()[0])


async def run(
    house: House,
    folder: Path,
    flow: Flow,
    enterprise: DemoEnterprise = ENT_A,
    person: Person | None = None,
    options: tuple[str, ...] = (),
) -> tuple[str, str]:
    """Both sipps to their ends; the messages of each side. `options`: of the enterprise's sipp."""
    aid = await house.active_aid(enterprise, person or house.people[1])
    for side, scenario in (("enterprise", flow.enterprise), ("core", flow.core)):
        (folder / side).mkdir()
        scenario.write(folder / side / "scenario.xml")
    own = str(free_port(socket.SOCK_DGRAM))
    calling = ["-sf", "scenario.xml", *authenticated(house, enterprise, aid), "-p", own, *options]
    called = ["-sf", "scenario.xml", "-p", str(house.core_port)]
    async with sipp(folder / "core", *called) as core:
        await listening(house.core_port)
        async with sipp(folder / "enterprise", *calling) as phone:
            seen = await passed(folder / "enterprise", phone)
        return seen, await passed(folder / "core", core)


@pytest.mark.parametrize("name", FLOWS)
async def test_flow(core_house: House, tmp_path: Path, name: str) -> None:
    flow, person = FLOWS[name], core_house.people[1]
    await core_house.active_aid(ENT_A, person)
    before = records_so_far(core_house)
    seen, at_core = await run(core_house, tmp_path, flow)
    assert await record(core_house, before) == flow.result
    for hidden in (person.msisdn[2:], *flow.hidden):
        assert hidden not in seen
    assert person.msisdn[2:] in at_core


async def test_an_answer_is_repeated_until_it_is_acknowledged(core_house: House, tmp_path: Path) -> None:
    late = caller().gets(100, optional=True).gets(180).gets(200).pause(1_300).ack().request("BYE").gets(200)
    seen, _ = await run(
        core_house, tmp_path, Flow(late, answering().asked("BYE").answers("200 OK"), "ANSWERED")
    )
    # RFC 3261 13.3.1.4: after 0.5 s and again after another second.
    assert len(re.findall(r"^SIP/2.0 200 OK\r?$(?:\r?\n.+)*?\nCSeq: 2 INVITE", seen, re.MULTILINE)) >= 2


async def test_a_wrong_password_is_refused(core_house: House, tmp_path: Path) -> None:
    aid = await core_house.active_aid(ENT_A, core_house.people[1])
    refused(403).write(tmp_path / "scenario.xml")
    own = str(free_port(socket.SOCK_DGRAM))
    wrong = [*authenticated(core_house, ENT_A, aid)[:-1], "guessed"]
    async with sipp(tmp_path, "-sf", "scenario.xml", *wrong, "-p", own) as process:
        await passed(tmp_path, process)


# --- callbacks: sipp calls from the core's place ----------------------------------------------------


def person_calls(person: Person | None, *headers: str, body: str = SDP) -> Caller:
    """An INVITE as the core sends it, with the caller's asserted number where there is one."""
    asserted = [f"P-Asserted-Identity: <sip:+{person.msisdn}@ims.example>"] if person else []
    return Caller("anonymous").invite(body, *asserted, *headers).gets(100, optional=True)


async def core_calls(house: House, folder: Path, number: str, scenario: Scenario) -> str:
    """sipp in the core's place to its end; its messages."""
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240 - a folder of the test's own
    scenario.write(folder / "scenario.xml")
    gateway = f"{HOST}:{house.ports.sip_core_side}"
    arguments = ["-sf", "scenario.xml", gateway, "-s", number, "-p", str(house.core_port)]
    async with sipp(folder, *arguments) as process:
        return await passed(folder, process)


async def register(house: House, folder: Path, enterprise: DemoEnterprise, port: int) -> None:
    folder.mkdir()  # noqa: ASYNC240 - a folder of the test's own
    arguments = ["-sf", str(SCENARIOS / "register.xml"), *authenticated(house, enterprise, "")]
    async with sipp(folder, *arguments, "-p", str(port)) as process:
        await passed(folder, process)


CALLBACKS: dict[str, tuple[Callee, Callable[[Caller], Scenario], str]] = {
    "the core reserves before anybody rings": (
        Callee().says("180 Ringing").says("200 OK", SDP).asked("ACK").asked("BYE").answers("200 OK"),
        lambda call: call.gets_reliable(183).request("UPDATE", MET).gets(200).gets(180).gets(200).ack_of(1)
        .request("BYE").gets(200),
        "ANSWERED",
    ),
    "the enterprise challenges": (
        Callee().says("407 Proxy Authentication Required", "", 'Proxy-Authenticate: Digest realm="x", nonce="1"')
        .asked("ACK"),
        lambda call: call.gets(480).ack_refusal(),
        "FAILED",
    ),
    "the enterprise redirects": (
        Callee().says("302 Moved Temporarily", "", "Contact: <sip:elsewhere@192.0.2.1>").asked("ACK"),
        lambda call: call.gets(480).ack_refusal(),
        "FAILED",
    ),
    "the person holds": (
        Callee().says("180 Ringing").says("200 OK", SDP).asked("ACK").asked("INVITE").answers("200 OK", HELD)
        .asked("ACK").asked("BYE").answers("200 OK"),
        lambda call: call.gets(180).gets(200).ack().request("INVITE", HOLD).gets(100, optional=True).gets(200).ack()
        .request("BYE").gets(200),
        "ANSWERED",
    ),
    "answered, and the person hangs up": (
        Callee().says("180 Ringing").says("200 OK", SDP).asked("ACK").asked("BYE").answers("200 OK"),
        lambda call: call.gets(180).gets(200).ack().pause(BRIEFLY_MS).request("BYE").gets(200),
        "ANSWERED",
    ),
    "answered, and the enterprise hangs up": (
        Callee().says("180 Ringing").says("200 OK", SDP).asked("ACK").pause(BRIEFLY_MS)
        .request("BYE").gets(200),
        lambda call: call.gets(180).gets(200).ack().asked("BYE").answers("200 OK"),
        "ANSWERED",
    ),
    "busy": (
        Callee().says("486 Busy Here").asked("ACK"),
        lambda call: call.gets(486).ack_refusal(),
        "BUSY",
    ),
    "the person gives up": (
        Callee().says("180 Ringing").asked("CANCEL").answers("200 OK").says_to_invite("487 Request Terminated")
        .asked("ACK"),
        lambda call: call.gets(180).cancel().gets(200).gets(487).ack_refusal(),
        "CANCELLED",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLBACKS)
async def test_callback(core_house: House, tmp_path: Path, name: str) -> None:
    house, person = core_house, core_house.people[1]
    enterprise, then, result = CALLBACKS[name]
    aid = await house.active_aid(ENT_A, person)
    (tmp_path / "first").mkdir()
    await run(house, tmp_path / "first", FLOWS["the enterprise hangs up"])  # else nobody may call back
    port = free_port(socket.SOCK_DGRAM)
    await register(house, tmp_path / "register", ENT_A, port)
    before = records_so_far(house)
    phone = tmp_path / "phone"
    phone.mkdir()
    enterprise.write(phone / "scenario.xml")
    async with sipp(phone, "-sf", "scenario.xml", "-p", str(port)) as process:
        await listening(port)
        reserves = name == "the core reserves before anybody rings"
        more = (AWAITED, "Require: precondition", "Supported: 100rel") if reserves else (SDP,)
        calls = then(person_calls(person, *more[1:], body=more[0]))
        await core_calls(house, tmp_path / "core", ENT_A.access_number, calls)
        seen = await passed(phone, process)
    assert await record(house, before) == result
    assert re.search(rf"^From:.*sip:{aid}@", seen, re.MULTILINE)
    assert person.msisdn[2:] not in seen


async def test_a_callback_without_an_asserted_number_or_with_privacy_is_433(
    core_house: House, tmp_path: Path
) -> None:
    number, person = ENT_A.access_number, core_house.people[1]
    refused_433 = person_calls(None).gets(433).ack_refusal()
    await core_calls(core_house, tmp_path / "unknown", number, refused_433)
    refused_433 = person_calls(person, "Privacy: id").gets(433).ack_refusal()
    await core_calls(core_house, tmp_path / "withheld", number, refused_433)


async def test_a_callback_to_whom_never_called_or_to_nobody_is_404(core_house: House, tmp_path: Path) -> None:
    never = core_house.people[5]
    await register(core_house, tmp_path / "register", ENT_A, free_port(socket.SOCK_DGRAM))
    for number in (ENT_A.access_number, "1069889999"):
        await core_calls(core_house, tmp_path / number, number, person_calls(never).gets(404).ack_refusal())


async def test_a_callback_to_an_enterprise_that_is_nowhere_is_480(core_house: House, tmp_path: Path) -> None:
    nobody_there = person_calls(core_house.people[1]).gets(480).ack_refusal()
    await core_calls(core_house, tmp_path / "core", ENT_B.access_number, nobody_there)


async def test_a_call_from_elsewhere_than_the_core_is_403(core_house: House, tmp_path: Path) -> None:
    person_calls(core_house.people[1]).gets(403).ack_refusal().write(tmp_path / "scenario.xml")
    gateway = f"{HOST}:{core_house.ports.sip_core_side}"
    own = str(free_port(socket.SOCK_DGRAM))
    arguments = ["-sf", "scenario.xml", gateway, "-s", ENT_A.access_number, "-p", own]
    async with sipp(tmp_path, *arguments) as process:
        await passed(tmp_path, process)


# --- limits, and other ways in ----------------------------------------------------------------------


async def test_a_trunks_calls_ring_and_last_as_long_as_is_set_for_it(
    core_house: House, tmp_path: Path
) -> None:
    house, person = core_house, core_house.people[2]
    await house.set_trunk(ENT_B, ring_s=1.0, talk_s=1.0)
    flows = (
        Flow(
            caller().gets(100, optional=True).gets(180).gets(480).ack_refusal(),
            callee().says("180 Ringing").asked("CANCEL").answers("200 OK")
            .says_to_invite("487 Request Terminated").asked("ACK"),
            "NO_ANSWER",
        ),
        Flow(
            answered().asked("BYE").answers("200 OK"),
            answering().asked("BYE").answers("200 OK"),
            "MAX_DURATION",
        ),
    )  # fmt: skip
    for number, flow in enumerate(flows):
        before = records_so_far(house)
        (tmp_path / str(number)).mkdir()
        await run(house, tmp_path / str(number), flow, ENT_B, person)
        assert await record(house, before) == flow.result
    await house.set_trunk(ENT_B, ring_s=None, talk_s=None, max_calls=0)
    (tmp_path / "over").mkdir()
    await refused_at_once(house, tmp_path / "over", refused(503), ENT_B, person)
    await house.set_trunk(ENT_B, max_calls=10)


async def test_a_call_without_a_hop_left_is_483(core_house: House, tmp_path: Path) -> None:
    last = Caller().call(SDP, "Max-Forwards: 0").gets(100, optional=True).gets(483).ack_refusal()
    await refused_at_once(core_house, tmp_path, last, ENT_A, core_house.people[1])


async def test_a_call_over_tcp(core_house: House, tmp_path: Path) -> None:
    flow = FLOWS["the enterprise holds and resumes"]
    before = records_so_far(core_house)
    seen, _ = await run(core_house, tmp_path, flow, options=("-t", "t1"))
    assert "Via: SIP/2.0/TCP" in seen
    assert await record(core_house, before) == flow.result


async def refused_at_once(
    house: House, folder: Path, scenario: Scenario, enterprise: DemoEnterprise, person: Person
) -> None:
    aid = await house.active_aid(enterprise, person)
    scenario.write(folder / "scenario.xml")
    own = str(free_port(socket.SOCK_DGRAM))
    arguments = ["-sf", "scenario.xml", *authenticated(house, enterprise, aid), "-p", own]
    async with sipp(folder, *arguments) as process:
        await passed(folder, process)
