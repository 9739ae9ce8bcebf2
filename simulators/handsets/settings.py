"""What the operator of a simulated fleet configures."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from foundation.config import Config, ConfigPath
from interparty.party_link import PartyLinkSettings

Port = Annotated[int, Field(ge=0, le=65535)]


class RadioSettings(Config):
    """The SMSC to which the fleet binds as its radio side."""

    host: str = "127.0.0.1"
    port: Port = 2776
    system_id: Annotated[str, Field(max_length=15)] = "handsets"
    password: Annotated[str, Field(max_length=8)]


class SipSettings(Config):
    """The fleet's own SIP address and the core it belongs to."""

    host: str = "127.0.0.1"
    port: Port = 5090
    domain: str = "ims.example"
    core_host: str = "127.0.0.1"
    core_port: Port = 5080


class AppSettings(Config):
    """What the app on each phone knows: its carrier's public key for sealing identifiers."""

    carrier: Annotated[str, Field(pattern=r"^[!-~]{4}$")]
    carrier_key_id: Annotated[str, Field(pattern=r"^[!-~]{4}$")]
    carrier_public_key: ConfigPath
    """SM2 public key, PEM."""


class FleetSettings(Config):
    """One fleet of handsets."""

    subscribers: ConfigPath | None = None
    """CSV file with header msisdn,imsi,imei."""
    count: Annotated[int, Field(ge=1, le=999_999)] | None = None
    """Instead of a file: so many generated subscribers, the same ones each time."""
    api_host: str = "127.0.0.1"
    api_port: Port = 8071
    answer_after: Annotated[float, Field(ge=0, le=120)] = 0.3
    """Seconds of ringing before a handset answers."""
    radio: RadioSettings
    sip: SipSettings = SipSettings()
    app: AppSettings | None = None
    network: PartyLinkSettings | None = None
    """The simulated network's link to the carrier, which asserts whose session it was."""
    log_dir: ConfigPath
    log_level: str = "INFO"

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.subscribers is None) == (self.count is None):
            raise ValueError("either subscribers or count")
        return self
