"""What an enterprise's simulated systems are told: whose they are, and where carrier and trust party are."""

from typing import Annotated, Literal

from pydantic import Field

from foundation.config import Config, ConfigPath
from interparty.party_link import PartyLinkSettings

Port = Annotated[int, Field(ge=0, le=65535)]


class SmppSettings(Config):
    """The account at the carrier's SMPP server."""

    host: str = "127.0.0.1"
    port: Port = 2775
    system_id: Annotated[str, Field(min_length=1, max_length=15)]
    password: Annotated[str, Field(max_length=8)]


class SipSettings(Config):
    """The trunk at the carrier's SIP side, and the desk phone's own address."""

    host: str = "127.0.0.1"
    port: Port = 5060
    domain: str
    """The AID domain: AIDs are called at it, and the phone registers in it."""
    username: str
    password: str
    local_host: str = "127.0.0.1"
    local_port: Port = 0
    expires: Annotated[int, Field(ge=60, le=86400)] = 600
    answer_after: Annotated[float, Field(ge=0, le=120)] | None = 0.3


class ConsentSettings(Config):
    """What the consent page says."""

    service: str
    channels: tuple[Literal["sms", "voice"], ...] = ("sms", "voice")
    hours: str = "00:00-24:00"
    frequency: str = "20/day"
    term_days: Annotated[int, Field(ge=1, le=3650)] = 365
    agreement_version: str = "1"
    agreement: str = "The agreement's full text."
    page: str = "The consent page's text."


class EnterpriseSettings(Config):
    """One enterprise."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    name: str
    access_numbers: Annotated[list[str], Field(min_length=1, max_length=20)]
    aids_file: ConfigPath
    """CSV with header aid, appended to with each deposit."""
    capture_file: ConfigPath | None = None
    """Every byte that this enterprise receives, in the clear (foundation.capture)."""
    api_host: str = "127.0.0.1"
    api_port: Port = 8081
    smpp: SmppSettings
    sip: SipSettings
    trust: PartyLinkSettings
    consent: ConsentSettings
    log_dir: ConfigPath
    log_level: str = "INFO"
