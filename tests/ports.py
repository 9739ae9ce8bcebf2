"""A free port on loopback for a program that must be told its port before it listens."""

import random
import socket

# Below where the kernel takes ports for outgoing connections (ip_local_port_range, from 32768): a port from there can
# be gone between the look and the program's own bind. Above what the media relays of tests and demos take.
_FIRST, _LAST = 28_000, 32_700
_given: set[int] = set()


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 that nothing is bound to, for TCP or UDP; never the same twice in this process."""
    while True:
        port = random.randint(_FIRST, _LAST)
        if port in _given:
            continue
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
