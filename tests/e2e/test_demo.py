"""`ascs demo` as tools meet it: what demo.json says and when, and that nothing of it stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.esme import Esme
from tests.e2e.house import ENT_A

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(sys.platform != "linux", reason="/proc is looked at")]

START_S = 60.0
END_S = 15.0
LOOK_AGAIN_S = 0.02


@contextmanager
def demo(data: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A demo in a process of its own; ended, if it is still there, when the test is over."""
    with subprocess.Popen(
        [sys.executable, "-m", "ascs", "demo", "--data", str(data), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(holds: Any, what: str, seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(LOOK_AGAIN_S)
    return found


def description(data: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((data / "demo.json").read_text())
    return found


def when_there(data: Path, process: subprocess.Popen[str]) -> dict[str, Any]:
    """demo.json as it is first seen."""

    def there() -> bool:
        if process.poll() is not None and process.stdout is not None:
            raise AssertionError(f"the demo ended: {process.stdout.read()}")
        return (data / "demo.json").exists()

    until(there, "demo.json", START_S)
    return description(data)


def processes_in(data: Path) -> set[int]:
    """Processes whose working directory is one of the demo's folders."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").readlink().is_relative_to(data):
                found.add(int(entry.name))
        except OSError:
            continue
    return found


def lines(file: str) -> list[str]:
    return Path(file).read_text().split()


def test_an_interrupt_while_the_script_runs_ends_everything_at_once(tmp_path: Path) -> None:
    data = tmp_path / "var"
    with demo(data) as process:
        told = when_there(data, process)
        assert (told["ready"], told["script"]) == (True, "running")
        assert all(lines(each["aids_file"])[0] == "aid" for each in told["enterprises"])
        assert lines(told["carrier"]["people_file"])[0] == "msisdn,enterprise_id,aid"
        assert processes_in(data)
        process.send_signal(signal.SIGINT)
        assert process.wait(END_S) == 130
        assert process.stdout is not None
        said = process.stdout.read()
    assert processes_in(data) == set()
    told = description(data)
    assert (told["ready"], told["script"]) == (False, "failed")
    assert said.endswith("the demo was ended before its script was over\n")
    assert "Traceback" not in said


def test_without_a_script_ready_comes_with_active_aids_and_a_kill_leaves_no_process(tmp_path: Path) -> None:
    data = tmp_path / "var"
    with demo(data, "--no-script", "--subscribers", "2") as process:
        told = when_there(data, process)
        assert (told["ready"], told["aids_ready"], told["script"]) == (True, True, "none")
        assert [len(lines(each["aids_file"])) for each in told["enterprises"]] == [1 + 5, 1 + 5]
        people = [line.split(",") for line in lines(told["carrier"]["people_file"])[1:]]
        assert len({(msisdn, enterprise) for msisdn, enterprise, _ in people}) == 10

        enterprise = told["enterprises"][0]
        esme = Esme(enterprise["smpp"]["port"], ENT_A).bind()
        try:
            for aid in lines(enterprise["aids_file"])[1:]:
                assert esme.submit(aid, "您好")[0] == 0
        finally:
            esme.close()

        left = processes_in(data)
        assert len(left) >= 5
        os.kill(process.pid, signal.SIGKILL)
        process.wait(END_S)
        until(lambda: not any(_runs(pid) for pid in left), "all processes end", END_S)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
