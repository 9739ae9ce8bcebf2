"""Two pjsua2 phones, one at the enterprise and one at the core's place: speech gets through both ways."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ascs.demo.layout import HOST
from tests import speech
from tests.e2e.house import ENT_A, House
from tests.pjsua import handset, needs_pjsua2

pytestmark = [pytest.mark.e2e, needs_pjsua2, pytest.mark.asyncio(loop_scope="session")]

TALK_S = 3.0
ENOUGH_S = 2.0
"""Of it that must be heard: the first packets may be before the other side listens."""


async def test_speech_gets_through_both_ways(core_house: House, tmp_path: Path) -> None:
    house = core_house
    person = house.people[0]
    aid = await house.active_aid(ENT_A, person)
    clerk_says = speech.make(tmp_path / "clerk.wav", 11, TALK_S)
    person_says = speech.make(tmp_path / "person.wav", 12, TALK_S)
    clerk_hears, person_hears = tmp_path / "clerk-heard.wav", tmp_path / "person-heard.wav"
    gateway = f"{HOST}:{house.ports.sip_enterprise}"
    clerk_is = (
        "--id", f"sip:{ENT_A.sip_user}@{gateway}", "--registrar", f"sip:{gateway}",
        "--user", ENT_A.sip_user, "--password", ENT_A.sip_password,
    )  # fmt: skip
    async with (
        handset(
            "--play", str(person_says), "--record", str(person_hears), port=house.core_port
        ) as persons_phone,
        handset("--play", str(clerk_says), "--record", str(clerk_hears), *clerk_is) as clerks_phone,
    ):
        await clerks_phone.until("registered")
        clerks_phone.tell(f"call sip:{aid}@{gateway}")
        incoming = await persons_phone.until("incoming")
        await asyncio.gather(persons_phone.until("answered"), clerks_phone.until("answered"))
        await asyncio.sleep(TALK_S + 0.5)  # what is said takes its time
        persons_phone.tell("hangup")
        await asyncio.gather(persons_phone.until("ended"), clerks_phone.until("ended"))
    assert f"sip:{ENT_A.access_number}@" in incoming["from"]
    assert person.msisdn[2:] not in str(clerks_phone.said)
    heard = speech.heard_s(clerk_says, person_hears), speech.heard_s(person_says, clerk_hears)
    assert min(heard) >= ENOUGH_S, heard
