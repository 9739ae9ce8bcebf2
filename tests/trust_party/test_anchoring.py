"""Checkpoints at an anchor: each once, and an anchor that fails holds nothing up."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from evidence.anchor import AnchorError, FileAnchor, read_anchored
from evidence.log import SignedCheckpoint
from tests.trust_party.world import NOW, Party
from trust_client.bundle import is_signed
from trust_client.witness import body_of
from trust_party.anchoring import Anchoring


async def grown(party: Party) -> None:
    await party.store.write(lambda conn: party.evidence.append(conn, [{"kind": "TEST"}], NOW))
    await party.sequencer.run()


async def test_each_new_checkpoint_is_put_down_once(party: Party, tmp_path: Path) -> None:
    path = tmp_path / "anchor.jsonl"
    anchoring = Anchoring(FileAnchor(path), party.sequencer)
    assert await anchoring.step() is None
    for line in (1, 2):
        await grown(party)
        assert await anchoring.step() == f"anchor.jsonl:{line}"
        assert await anchoring.step() is None
    found = [body_of(each) for each in read_anchored(path)]
    assert found[-1] == party.sequencer.newest
    assert all(is_signed(body, party.evidence.log.public_key) for body in found)


async def test_an_anchor_that_fails_is_tried_again(
    party: Party, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "anchor.jsonl"
    inner, failures = FileAnchor(path), [AnchorError("not now"), ZeroDivisionError()]
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Failing:
        def newest(self) -> SignedCheckpoint | None:
            return inner.newest()

        def anchor(self, signed: SignedCheckpoint) -> str:
            if failures:
                raise failures.pop()
            loop.call_soon_threadsafe(done.set)
            return inner.anchor(signed)

    await grown(party)
    task = asyncio.create_task(Anchoring(Failing(), party.sequencer).run(0.001))
    async with asyncio.timeout(10):
        await done.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert not failures
