"""A front process as a process: it outlives signals that are the gateway's to obey, and never the gateway."""

import asyncio
import os
import signal
from functools import partial
from pathlib import Path

import pytest

from gateway.sms_settings import SmppSettings, SmsSettings
from gateway.workers.pool import spawn_process
from gateway.workers.process import main
from gateway.workers.wire import ToFront, pack_json
from gateway.workers.worker import Process, Worker, WorkerFailed
from tests.gateway.workers.in_loop import Nobody

SECTIONS = {"smpp": SmppSettings().model_dump(mode="json"), "sms": SmsSettings().model_dump(mode="json")}


async def started(tmp_path: Path, sections: object = SECTIONS) -> tuple[Worker, Process]:
    processes: list[Process] = []
    spawn = partial(spawn_process, tmp_path, "INFO")

    async def kept(name: str, channel: int, handed: int) -> Process:
        processes.append(await spawn(name, channel, handed))
        return processes[0]

    worker = Worker("front-1", Nobody())
    await worker.start(kept, lambda: [(ToFront.SETTINGS, pack_json(sections))])
    return worker, processes[0]


async def test_it_serves_until_its_channel_ends_whatever_signals_come(tmp_path: Path) -> None:
    worker, process = await started(tmp_path)
    assert worker.serves
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(process.pid, number)
    await asyncio.sleep(0.05)
    assert not worker.ended.is_set()
    worker.channel.abort()  # as when the gateway is killed
    async with asyncio.timeout(5):
        assert await process.wait() == 0
    assert (tmp_path / "front-1.log").exists()


async def test_what_it_cannot_start_with_is_told(tmp_path: Path) -> None:
    with pytest.raises(WorkerFailed, match="front-1"):
        await started(tmp_path, {"smpp": {"port": -1}, "sms": {}})


def test_without_its_descriptors_it_says_what_it_wants(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--name", "front-1"])
    assert "--channel" in capsys.readouterr().err
