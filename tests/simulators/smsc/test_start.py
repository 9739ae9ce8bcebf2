"""Starting the SMSC simulator."""

import socket
import threading
from pathlib import Path

import pytest

from simulators.smsc.app import Smsc
from simulators.smsc.settings import Account, SmscSettings


async def test_a_port_that_is_taken_leaves_no_thread_behind(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = SmscSettings(
            port=taken.getsockname()[1],
            data_dir=tmp_path,
            log_dir=tmp_path,
            accounts=[Account(system_id="esme", password="secret")],
        )
        before = set(threading.enumerate())
        with pytest.raises(OSError):
            await Smsc.start(settings)
        # Pool threads of the loop end with it; a database's would keep the process.
        left = [each for each in set(threading.enumerate()) - before if not each.name.startswith("asyncio")]
        for each in left:
            each.join(5)
        assert [each.name for each in left if each.is_alive()] == []
