"""What a process and everything that it started has used."""

import asyncio
from pathlib import Path

import pytest

from bench.processes import ProcessEnded, Processes

STARTS_ANOTHER = (
    "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE);"
    " print('up', flush=True); input(); child.communicate(b'\\n')"
)


async def test_what_a_process_started_is_counted_with_it(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    try:
        running = await processes.start("two", ["-c", STARTS_ANOTHER], talks=True)
        assert running.process.stdout is not None
        async with asyncio.timeout(20):
            await running.process.stdout.readline()
        used = running.used()
        assert len(used) == 2
        assert used[0].pid == running.pid
        assert used[0].cpu_s > 0
        assert used[0].peak_mb > 1
        assert [thread.tid for thread in used[0].threads] == [running.pid]
    finally:
        await processes.stop()


async def test_one_that_ended_shows_what_it_said(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    running = await processes.start("short", ["-c", "import sys; sys.exit('no such thing')"])
    async with asyncio.timeout(20):
        await running.process.wait()
    with pytest.raises(ProcessEnded, match=r"(?s)short ended with status 1.*no such thing") as ended:
        processes.check()
    assert "\n" in str(ended.value)
    await processes.stop()
