"""What the operator of the simulated core configures."""

from typing import Annotated

from pydantic import Field

from foundation.config import Config, ConfigPath


class Peer(Config):
    """A SIP neighbour, known by the address it sends from (UDP)."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)]


class CoreSettings(Config):
    """One SIP core between a gateway and the fleet of handsets."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 5080
    domain: str = "ims.example"
    """Host part of the identities that the core asserts."""
    gateway: Peer
    """Trusted: what it asserts is passed on. Calls of handsets go to it."""
    handsets: Peer
    """The access side: calls to "+" numbers go to it; what it says of itself is not believed."""
    calls_max: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    log_dir: ConfigPath
    log_level: str = "INFO"
