"""The whole demo with each party's processes in a mount namespace where the others' folders are empty."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ascs.demo import run as demo_run
from ascs.demo.layout import ENTERPRISES
from tests.e2e.house import free_ports

pytestmark = pytest.mark.e2e

OWNERS = {
    "carrier": "carrier",
    "trust": "trust",
    "simulators": "simulators",
    "regulator": "regulator",
    **{each.id: f"enterprise-{each.id}" for each in ENTERPRISES},
}
"""A party to its folder."""

HIDE = """
while [ "$1" != -- ]; do
    mount -t tmpfs -o size=4k,mode=000 tmpfs "$1" || exit 97
    [ -z "$(ls -A "$1")" ] || exit 98
    shift
done
shift
exec "$@"
"""


def hiding(root: Path) -> Callable[[str, Sequence[str]], Sequence[str]]:
    """See ascs.demo.processes.Wrap: an empty file system over every folder that is not the owner's."""

    def wrap(owner: str, command: Sequence[str]) -> Sequence[str]:
        others = [str(root / folder) for party, folder in OWNERS.items() if party != owner]
        return ["unshare", "--mount", "sh", "-c", HIDE, "sh", *others, "--", *command]

    return wrap


@pytest.fixture
def may_unshare() -> None:
    program = shutil.which("unshare")
    if program is not None:
        tried = subprocess.run(
            [program, "--mount", "sh", "-c", "mount -t tmpfs tmpfs /mnt"], capture_output=True, check=False
        )
        if tried.returncode == 0:
            return
    reason = "mount namespaces are not permitted here"
    if os.environ.get("CI") == "true" and os.geteuid() == 0:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.mark.usefixtures("may_unshare")
def test_a_wrapped_process_reads_its_own_folder_and_no_other(tmp_path: Path) -> None:
    for folder in OWNERS.values():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "secret").write_text(folder)
    wrap = hiding(tmp_path)
    for owner, own in OWNERS.items():
        for folder in OWNERS.values():
            command = wrap(owner, ["cat", str(tmp_path / folder / "secret")])
            read = subprocess.run(command, capture_output=True, check=False, text=True)
            assert read.stdout == (own if folder == own else ""), (owner, folder)
            assert (read.returncode == 0) == (folder == own)


@pytest.mark.usefixtures("may_unshare")
def test_the_script_passes_with_every_party_alone_with_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "var"
    hide = hiding(data)
    wrapped: set[str] = set()

    def wrap(owner: str, command: Sequence[str]) -> Sequence[str]:
        wrapped.add(owner)
        return hide(owner, command)

    monkeypatch.setattr(demo_run, "choose_ports", free_ports)
    demo = demo_run.prepare(demo_run.Options(data, once=True, wrap=wrap))
    asyncio.run(demo.run(asyncio.Event()))
    assert wrapped == set(OWNERS)
    assert json.loads((data / "demo.json").read_text())["ready"] is False
    assert "planted" in capsys.readouterr().out
