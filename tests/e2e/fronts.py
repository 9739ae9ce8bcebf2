"""The front processes of a gateway, as the kernel knows them."""

import os
from pathlib import Path

COMMAND = b"gateway.workers.process"


def fronts(gateway: int) -> list[int]:
    """Their process ids, the first started first; none where the gateway is one process."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == gateway and COMMAND in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return sorted(found)


def has_client(pid: int, port: int) -> bool:
    """Whether the process has a connection to that port of a client here."""
    inodes = set()
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[2].partition(":")[2], 16) == port:
            inodes.add(fields[9])
    for each in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(each)
        except FileNotFoundError:
            continue
        if target.startswith("socket:[") and target[8:-1] in inodes:
            return True
    return False
