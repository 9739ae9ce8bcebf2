"""A demo is set up, started, watched and ended; whatever goes wrong, no process of it stays."""

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ascs.demo import run as demo_run
from ascs.demo.layout import DESCRIPTION, ENTERPRISES, PEOPLE, DemoRefused
from ascs.demo.parties import Files
from ascs.demo.processes import ProcessEnded
from ascs.demo.run import DemoFailed, DemoInterrupted, Options, prepare


class Parts:
    """The demo's processes: none runs; one may have ended."""

    made: list["Parts"]
    ended: Exception | None

    def __init__(self, wrap: Any = None) -> None:
        self.started: list[str] = []
        self.stopped = False
        Parts.made.append(self)

    async def start(self, name: str, owner: str, folder: Path, *arguments: str) -> None:
        self.started.append(name)

    def check(self) -> None:
        if Parts.ended is not None:
            raise Parts.ended

    async def stop(self, *names: str) -> None:
        self.stopped = self.stopped or not names


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch) -> type[Parts]:
    Parts.made, Parts.ended = [], None
    monkeypatch.setattr(demo_run, "Processes", Parts)
    monkeypatch.setattr(demo_run, "LOOK_AGAIN_S", 0.001)
    return Parts


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Whom `set_up` was given; it makes nothing."""
    given: list[Any] = []

    def set_up(layout: Any, people: Any, smsc: Any, core: Any) -> Files:
        given.extend(people)
        file = layout.root / "x.toml"
        enterprises, witnesses = (
            {each.id: file for each in ENTERPRISES},
            dict.fromkeys(layout.witnesses, file),
        )
        return Files(file, file, file, file, file, enterprises, layout.regulator / "none", witnesses)

    monkeypatch.setattr(demo_run.parties, "set_up", set_up)
    return given


def test_the_three_people_are_always_there(tmp_path: Path, people: list[Any]) -> None:
    prepare(Options(tmp_path / "a"))
    assert people == [*PEOPLE]
    people.clear()
    prepare(Options(tmp_path / "b", subscribers=5))
    assert people[:3] == [*PEOPLE]
    assert len({each.msisdn for each in people}) == 8


def test_a_folder_of_someone_elses_is_refused(tmp_path: Path, people: list[Any]) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DemoRefused):
        prepare(Options(tmp_path))
    assert people == []
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.usefixtures("people")
async def test_a_part_that_ends_ends_the_demo_and_every_other_part(
    tmp_path: Path, parts: type[Parts]
) -> None:
    parts.ended = ProcessEnded("gateway ended with status 1")
    demo = prepare(Options(tmp_path, once=True))
    with pytest.raises(ProcessEnded, match="gateway ended"):
        await demo.run(asyncio.Event())
    assert parts.made[0].stopped
    assert not (tmp_path / DESCRIPTION).exists(), "it never was ready"


@pytest.mark.usefixtures("people")
async def test_parts_that_do_not_come_up_are_named_in_time(
    tmp_path: Path, parts: type[Parts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_run, "START_S", 0.05)
    demo = prepare(Options(tmp_path, once=True))
    with pytest.raises(DemoFailed, match=r"not ready after .* the trust party does not listen"):
        await demo.run(asyncio.Event())
    assert parts.made[0].started[0] == "trust"
    assert set(parts.made[0].started) >= {"gateway", "smsc", "core", "handsets", "ent-a", "ent-b"}
    assert parts.made[0].stopped


@pytest.mark.usefixtures("people")
async def test_someone_elses_smsc_and_core_are_not_started(
    tmp_path: Path, parts: type[Parts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_run, "START_S", 0.05)
    smsc = demo_run.OtherSmsc("me", "secret", "192.0.2.1", 2775)
    core = demo_run.OtherCore("192.0.2.2", 5060)
    demo = prepare(Options(tmp_path, script=False, smsc=smsc, core=core))
    with pytest.raises(DemoFailed):
        await demo.run(asyncio.Event())
    assert not {"smsc", "core"} & set(parts.made[0].started)


@pytest.mark.usefixtures("people")
async def test_one_that_is_told_to_end_before_it_is_up_says_so(tmp_path: Path, parts: type[Parts]) -> None:
    stop = asyncio.Event()
    demo = prepare(Options(tmp_path))
    running = asyncio.create_task(demo.run(stop))
    await asyncio.sleep(0)
    stop.set()
    with pytest.raises(DemoInterrupted):
        async with asyncio.timeout(5):
            await running
    assert parts.made[0].stopped


@pytest.mark.usefixtures("people")
async def test_an_earlier_demos_description_is_gone_before_the_next_is_ready(tmp_path: Path) -> None:
    (tmp_path / DESCRIPTION).write_text(json.dumps({"ready": True}))
    prepare(Options(tmp_path))
    assert not (tmp_path / DESCRIPTION).exists()


async def test_the_leak_search_ends_with_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def search(_captures: Any, _numbers: Any, go_on: Callable[[], None]) -> None:
        begun.set()
        try:
            while True:
                go_on()
        except DemoInterrupted:
            loop.call_soon_threadsafe(ended.set)
            raise

    monkeypatch.setattr(demo_run.leak_search, "search", search)
    searching = asyncio.create_task(demo_run._search_beside([], []))
    await asyncio.to_thread(begun.wait)
    searching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await searching
    await ended.wait()
