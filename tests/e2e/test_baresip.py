"""baresip, a phone that nobody here wrote, configured as docs/connect.md says: a call and a callback."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ascs.demo.layout import AID_DOMAIN, HOST, Person
from tests.e2e import page
from tests.e2e.house import ENT_B, House
from tests.e2e.peer_process import Peer, running
from tests.ports import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.peer("baresip"), pytest.mark.asyncio(loop_scope="session")]

PACKETS = 10
"""A fifth of a second of audio each way: the keys alone take longer."""


@contextlib.asynccontextmanager
async def phone(house: House, folder: Path, transport: str = "udp") -> AsyncIterator[Peer]:
    """baresip with the page's two files, registered."""
    config, accounts, tls = page.blocks("### baresip")
    port = free_port(socket.SOCK_DGRAM)
    account = page.filled(accounts, page.of_sip(house, ENT_B))
    if transport != "udp":
        account = account.replace('";regint', f';transport={transport}";regint')
    if transport == "tls":
        account = account.replace(f":{house.ports.sip_enterprise};", f":{house.sip_tls_port};")
        authority = str(house.layout.carrier / "pki" / "ca.pem")
        config += page.filled(tls, {"/etc/ssl/carrier-ca.pem": authority})
    (folder / "config").write_text(page.filled(config, {f"{HOST}:5062": f"{HOST}:{port}"}))
    (folder / "accounts").write_text(account)
    async with running(folder, "baresip", "-f", str(folder)) as baresip:
        await baresip.until_said(r"200 OK .*\[1 binding", "it is registered")
        yield baresip


async def talk(house: House, baresip: Peer, person: Person, direction: str) -> None:
    """Both sides press keys, and hear each other for a while."""
    await baresip.until_said("Call established", "the call is established")
    baresip.type("15#")
    await house.call(
        person, lambda each: each["direction"] == direction and each["digits"] == "15#", "the keys"
    )
    await house.handsets.digits(person.msisdn, "7")
    await baresip.until_said(r"received event: '7' \(end=1\)", "it shows the key")


async def hang_up(house: House, baresip: Peer, person: Person, direction: str) -> dict[str, Any]:
    """End the call there; how the handset saw it, with audio both ways."""
    baresip.type("/hangup\n")
    shown = await house.call(
        person, lambda each: each["direction"] == direction and each["state"] == "ended", "the call's end"
    )
    received = await baresip.until_said(r"packets: +\d+ +(\d+)", "its statistics")
    assert shown["tone_heard"]
    assert min(shown["rtp_received"], shown["rtp_sent"], int(received[1])) >= PACKETS
    return shown


async def test_a_call_to_an_aid_has_audio_and_keys_both_ways(house: House, tmp_path: Path) -> None:
    person = house.people[4]
    aid = await house.active_aid(ENT_B, person)
    async with phone(house, tmp_path) as baresip:
        baresip.type(f"/dial sip:{aid}@{AID_DOMAIN}\n")
        await talk(house, baresip, person, "in")
        shown = await hang_up(house, baresip, person, "in")
    assert ENT_B.access_number in shown["peer"]
    assert person.msisdn[2:] not in baresip.said


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_a_call_and_a_callback_over_a_connection(house: House, tmp_path: Path, transport: str) -> None:
    person = house.people[2 if transport == "tcp" else 0]
    aid = await house.active_aid(ENT_B, person)
    async with phone(house, tmp_path, transport) as baresip:
        baresip.type(f"/dial sip:{aid}@{AID_DOMAIN}\n")
        await baresip.until_said("Call established", "the call is established")
        baresip.type("/hangup\n")
        await house.call(person, lambda each: each["state"] == "ended", "the call's end")
        await house.handsets.call(person.msisdn, ENT_B.access_number)
        caller = await baresip.until_said(r"Incoming call from: .*?sip:([^@]*)@", "it rings")
        assert caller[1] == aid
        baresip.type("a")
        await house.call(
            person, lambda each: each["direction"] == "out" and each["state"] == "answered", "it"
        )
        baresip.type("/hangup\n")
        await house.call(
            person, lambda each: each["direction"] == "out" and each["state"] == "ended", "its end"
        )
    assert person.msisdn[2:] not in baresip.said


async def test_a_callback_rings_under_the_aid_and_is_taken(house: House, tmp_path: Path) -> None:
    person = house.people[6]
    aid = await house.active_aid(ENT_B, person)
    async with phone(house, tmp_path) as baresip:
        # Only whom the enterprise has called before may call back.
        baresip.type(f"/dial sip:{aid}@{AID_DOMAIN}\n")
        await baresip.until_said("Call established", "the call is established")
        baresip.type("/hangup\n")
        await house.call(person, lambda each: each["state"] == "ended", "the first call's end")

    again = tmp_path / "again"
    again.mkdir()
    async with phone(house, again) as baresip:
        await house.handsets.call(person.msisdn, ENT_B.access_number)
        caller = await baresip.until_said(r"Incoming call from: .*?sip:([^@]*)@", "it rings")
        assert caller[1] == aid
        baresip.type("a")
        await talk(house, baresip, person, "out")
        await hang_up(house, baresip, person, "out")
    assert person.msisdn[2:] not in baresip.said


async def test_a_call_is_put_through_and_the_two_persons_hear_each_other(
    house: House, tmp_path: Path
) -> None:
    first, second = house.people[4], house.people[7]
    aid, other = [await house.active_aid(ENT_B, person) for person in (first, second)]
    async with phone(house, tmp_path) as baresip:
        baresip.type(f"/dial sip:{aid}@{AID_DOMAIN}\n")
        await baresip.until_said("Call established", "the call is established")
        baresip.type(f"/transfer sip:{other}@{AID_DOMAIN}\n")
        await baresip.until_said(r"packets: +\d+ +\d+", "the gateway hangs up on who transferred")
        up = {}
        for person in (first, second):
            up[person] = await house.call(
                person, lambda each: each["state"] == "answered" and each["direction"] == "in", "the call"
            )
        await house.handsets.digits(first.msisdn, "42")
        await house.call(second, lambda each: each["digits"] == "42", "the first one's keys")
        await house.handsets.digits(second.msisdn, "7")
        await house.call(first, lambda each: each["digits"] == "7", "the second one's key")
        await house.handsets.hangup(second.msisdn)
        shown = [
            await house.call(
                person,
                lambda each, person=person: each["id"] == up[person]["id"] and each["state"] == "ended",
                "its end",
            )
            for person in (first, second)
        ]
    assert all(each["rtp_received"] >= PACKETS and each["rtp_sent"] >= PACKETS for each in shown)
    assert ENT_B.access_number in shown[1]["peer"]
    for person in (first, second):
        assert person.msisdn[2:] not in baresip.said
        assert all(person.msisdn[2:] not in str(each["from_uri"]) for each in shown)
