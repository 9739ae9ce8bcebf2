"""The relay's own process logs through the number filter, like every other."""

import json
import sys
from pathlib import Path

import pytest

from gateway.voice import relay_process
from sip.media.relay_client import RelayClient
from sip.media.relay_control import RelayConfig
from tests.ports import port_range


async def test_it_serves_and_logs_to_the_folder_it_was_given(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "gateway.voice.relay_process", "--logs", str(tmp_path))
    first, last = port_range(20)
    client = await RelayClient.start(RelayConfig(port_min=first, port_max=last), command=command)
    ports = await client.create("call")
    assert first <= ports.a.rtp_port <= last
    await client.stop()
    for line in (tmp_path / "relay.log").read_text().splitlines():
        assert {"time", "level", "message"} <= json.loads(line).keys()


@pytest.mark.parametrize("words", [[], ["--fd", "9"]])
def test_it_does_not_run_without_a_place_for_its_log(
    monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["relay", *words])
    with pytest.raises(SystemExit) as raised:
        relay_process.main()
    assert raised.value.code == 2
