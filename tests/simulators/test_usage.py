"""What a simulator says of itself."""

import asyncio

from simulators.usage import report, usage


def test_cpu_and_memory_of_this_process() -> None:
    taken = usage()
    assert taken.cpu_s > 0
    assert taken.memory_mb > 1


async def test_a_line_is_written_every_so_often() -> None:
    lines: asyncio.Queue[str] = asyncio.Queue()
    telling = asyncio.create_task(report(0.001, lambda: "3 calls", lines.put_nowait))
    async with asyncio.timeout(5):
        line = await lines.get()
    telling.cancel()
    assert line.startswith("3 calls; CPU ")
    assert line.endswith(" MB")
