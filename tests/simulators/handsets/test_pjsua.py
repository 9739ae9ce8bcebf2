"""The handset with real audio: two of them call each other and hear what the other says."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests import speech
from tests.pjsua import HOST, handset, needs_pjsua2

pytestmark = [needs_pjsua2, pytest.mark.e2e]

TALK_S = 2.0


async def test_two_handsets_hear_each_other_and_not_themselves(tmp_path: Path) -> None:
    caller_says = speech.make(tmp_path / "caller.wav", 1, TALK_S)
    callee_says = speech.make(tmp_path / "callee.wav", 2, TALK_S)
    caller_hears, callee_hears = tmp_path / "caller-heard.wav", tmp_path / "callee-heard.wav"
    async with (
        handset("--play", str(callee_says), "--record", str(callee_hears)) as callee,
        handset("--play", str(caller_says), "--record", str(caller_hears)) as caller,
    ):
        caller.tell(f"call sip:callee@{HOST}:{callee.port}")
        incoming = await callee.until("incoming")
        await asyncio.gather(callee.until("answered"), caller.until("answered"))
        await asyncio.sleep(TALK_S + 0.5)  # what is said takes its time
        caller.tell("hangup")
        await asyncio.gather(callee.until("ended"), caller.until("ended"))
    assert HOST in incoming["from"]
    assert speech.heard_s(caller_says, callee_hears) >= TALK_S * 0.7
    assert speech.heard_s(callee_says, caller_hears) >= TALK_S * 0.7
    own = speech.make(tmp_path / "own.wav", 1, speech.PIECE_S * 2)
    assert speech.heard_s(own, caller_hears) == 0


async def test_what_is_no_address_and_no_command_is_said() -> None:
    async with handset() as caller:
        caller.tell("call not an address")
        assert (await caller.until("failed"))["reason"]
        caller.tell("dance")
        assert await caller.until("failed") == {"event": "failed", "reason": "no such command"}


@pytest.mark.parametrize("octets", [b"", b"RIFF", b"no audio at all"])
async def test_a_file_that_cannot_be_played_is_refused_at_the_start(tmp_path: Path, octets: bytes) -> None:
    file = tmp_path / "said.wav"
    file.write_bytes(octets)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators.handsets.pjsua", "--port", "5099", "--play", str(file),
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await process.communicate()
    assert process.returncode == 2
    assert b"said.wav" in said
