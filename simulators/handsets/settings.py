"""What the operator of a simulated fleet configures."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from foundation.config import Config, ConfigPath
from interparty.party_link import PartyLinkSettings
from simulators.scripts import Script

Port = Annotated[int, Field(ge=0, le=65535)]


class RadioSettings(Config):
    """The SMSC to which the fleet binds as its radio side."""

    host: str = "127.0.0.1"
    port: Port = 2776
    system_id: Annotated[str, Field(max_length=15)] = "handsets"
    password: Annotated[str, Field(max_length=8)]


class RegisterSettings(Config):
    """How the handsets register; the user name of each is its number, as it stands in its address."""

    password: str = Field(repr=False)
    expires_s: Annotated[int, Field(ge=10, le=86_400)] = 3600
    per_second: Annotated[float, Field(gt=0, le=10_000)] = 100.0
    """How many begin in a second."""


class SipSettings(Config):
    """The fleet's own SIP address, and the core or PBX it belongs to."""

    host: str = "127.0.0.1"
    port: Port = 5090
    domain: str = "ims.example"
    core_host: str = "127.0.0.1"
    core_port: Port = 5080
    registration: RegisterSettings | None = None
    """Without it the handsets register nowhere: the core knows them by where they are."""


class HandsetScript(Script):
    """What some of the handsets do."""

    share: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """Weight among the scripts that divide the handsets which no script names by number."""
    numbers: tuple[Annotated[str, Field(pattern=r"^[0-9]{3,15}(-[0-9]{3,15})?$")], ...] = ()
    """Handsets that do this: a number, or the first and the last of a range."""

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """First and last number of each."""
        ends = [each.partition("-") for each in self.numbers]
        return [(int(first), int(last or first)) for first, _, last in ends]

    @model_validator(mode="after")
    def _is_somebodys(self) -> Self:
        if not self.share and not self.numbers:
            raise ValueError("share or numbers: which handsets do this?")
        if any(first > last for first, last in self.ranges):
            raise ValueError("numbers: the first of a range comes first")
        return self


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
    """Seconds of ringing before a handset answers, unless a script says otherwise."""
    scripts: Annotated[tuple[HandsetScript, ...], Field(max_length=1000)] = ()
    seed: int = 1
    """Of who follows which script, and of the times that scripts leave open."""
    radio: RadioSettings | None = None
    """Without it the handsets have calls and no messages."""
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
