"""The gateway's configuration file: every key, its unit and its default.

`config/gateway.toml` is a commented example that runs as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from foundation.config import Config, ConfigPath
from foundation.key_provider import KeyStoreSettings
from gateway.sms_settings import (
    OutbindSettings,
    Port,
    PublicTlsSettings,
    SmppSettings,
    SmscSettings,
    SmsSettings,
)


class TlsSettings(Config):
    """This party's certificate for HTTPS between parties (mutual TLS, 1.2 or higher)."""

    ca: ConfigPath
    cert: ConfigPath
    key: ConfigPath


class CarrierSettings(Config):
    """Who this carrier is."""

    id: str = Field(min_length=4, max_length=4, description="as in an EDI's header: 4 ASCII characters")
    edi_key_id: str = Field(default="K001", min_length=4, max_length=4)
    aid_domain: str = "aid.invalid"
    as_of_days: int = Field(
        default=1, ge=0, le=7, description="how many days back an EDI's as-of date may lie"
    )


class MqttSettings(Config):
    """The broker that brings revocations, over mutual TLS with the gateway's own certificate."""

    host: str = "127.0.0.1"
    port: Port = 8883
    ca: ConfigPath | None = Field(default=None, description="all three or none: then those of [tls]")
    cert: ConfigPath | None = None
    key: ConfigPath | None = None

    @model_validator(mode="after")
    def _all_or_none(self) -> Self:
        if len({each is None for each in (self.ca, self.cert, self.key)}) != 1:
            raise ValueError("ca, cert and key go together")
        return self


class TrustSettings(Config):
    """Where the trust party answers."""

    id: str = "ttp"
    url: str = "https://127.0.0.1:8443"
    sign_public_key: ConfigPath
    envelope_public_key: ConfigPath | None = Field(
        default=None, description="with it the card holds the shared key, in an envelope to the trust party"
    )
    sign_key_version: int = Field(default=1, ge=1)
    timeout_s: float = Field(default=3.0, gt=0, le=30)
    mqtt: MqttSettings | None = Field(
        default=None, description="without it revocations come over the verify stream"
    )
    cached_grants: int = Field(
        default=200_000,
        ge=0,
        le=10_000_000,
        description="answers used again while the revocation feed's lease holds; 0: every message is asked about",
    )
    unknown_aids_per_minute: float = Field(
        default=60,
        gt=0,
        le=100_000,
        description="AIDs that are not its own an enterprise may name in the long run",
    )
    unknown_aids_burst: int = Field(
        default=500,
        ge=1,
        le=1_000_000,
        description="so many at once; over it nothing of the enterprise is asked for",
    )


class SipTlsSettings(PublicTlsSettings):
    """SIP over TLS 1.2 or higher, on the same hosts."""

    port: Port = 5061
    contact_ca: ConfigPath | None = Field(
        default=None,
        description="authority of the trunks' certificates, for calls to a --contact over TLS",
    )


class SipSideSettings(Config):
    """Where SIP is spoken towards one side: over UDP, and over TCP and TLS where they are configured."""

    host: str = "127.0.0.1"
    further_hosts: tuple[str, ...] = Field(
        default=(), max_length=8, description="more addresses with the same ports, of the other family say"
    )
    port: Port
    tcp: bool = Field(default=True, description="TCP on the same port")
    advertise: str | None = Field(
        default=None, description="what Via and Contact say instead of host: a name or an address"
    )
    tls: SipTlsSettings | None = None
    t1_ms: int = Field(
        default=500,
        ge=50,
        le=4_000,
        description="a message's way there and back (T1 of RFC 3261): by it all waits and repeats of SIP are reckoned",
    )


class CoreSettings(Config):
    """A peer in the SIP core (IMS) behind the gateway; its asserted identities are believed."""

    host: str = Field(default="127.0.0.1", description="an address, or a name that DNS knows (RFC 3263)")
    port: int = Field(
        default=5080,
        ge=0,
        le=65_535,
        description="0: as SRV records of the host say, else the transport's own",
    )
    transport: Literal["UDP", "TCP", "TLS", "ANY"] = Field(
        default="UDP", description="ANY: as NAPTR or SRV records of the host say, else UDP; with tls_ca TLS"
    )
    tls_ca: ConfigPath | None = Field(default=None, description="authority of its certificate, for TLS")
    priority: int = Field(default=1, ge=1, le=16, description="tried after the peers of a lower number")
    weight: int = Field(default=1, ge=1, le=100, description="share among peers of one priority")
    reliable_provisional: Literal["no", "supported", "required"] | None = Field(
        default=None, description="PRACK with this peer; none: as for all"
    )
    preconditions: Literal["decline", "answer"] = Field(
        default="decline", description="what becomes of its preconditions (RFC 3312)"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.transport == "TLS" and self.tls_ca is None:
            raise ValueError("transport TLS needs tls_ca")
        return self


class RtpengineSettings(Config):
    """rtpengine's NG protocol, and which of its interfaces each side is given."""

    host: str = "127.0.0.1"
    port: Port = 22222
    enterprise_interface: str | None = None
    core_interface: str | None = None
    enterprise_family: Literal["IP4", "IP6"] = "IP4"
    core_family: Literal["IP4", "IP6"] = "IP4"

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.enterprise_interface is None) != (self.core_interface is None):
            raise ValueError("enterprise_interface and core_interface: both or none")
        return self


class MediaSettings(Config):
    """What anchors RTP: the gateway's own relay process, or rtpengine."""

    kind: Literal["relay", "rtpengine"] = "relay"
    host: str = "127.0.0.1"
    core_host: str | None = Field(
        default=None, description="the relay's address towards the core; none: host"
    )
    advertise: str | None = Field(default=None, description="what enterprises are told instead of host")
    core_advertise: str | None = Field(default=None, description="what the core is told instead of core_host")
    port_min: int = Field(default=20_000, ge=1024, le=65_000)
    port_max: int = Field(default=24_999, ge=1025, le=65_535)
    rtpengine: RtpengineSettings = RtpengineSettings()


class AidSettings(Config):
    """Limits of the calls between one enterprise and one AID, both ways."""

    calls_max: int = Field(default=2, ge=1, description="at one time")
    rate: float = Field(default=0.0, ge=0, le=1_000, description="calls a second; 0: no limit")
    burst: int = Field(default=1, ge=1, le=1_000, description="calls at once after a silence")
    ring_s: float | None = Field(default=None, gt=0, le=600, description="none: as for all")
    talk_max_s: float | None = Field(default=None, gt=0, description="none: as for all")


class VoiceSettings(Config):
    """SIP towards enterprises and towards the core."""

    enterprise: SipSideSettings = SipSideSettings(port=5060)
    core_side: SipSideSettings = SipSideSettings(port=5070)
    core: tuple[CoreSettings, ...] = Field(default=(CoreSettings(),), min_length=1, max_length=16)
    core_answer_s: float = Field(
        default=4.0,
        gt=0,
        le=32,
        description="a peer that says nothing to an INVITE for so long: the next is tried",
    )
    core_probe_s: float = Field(
        default=10.0, ge=0, le=3_600, description="between OPTIONS to each peer; 0: none"
    )
    contact_probe_s: float = Field(
        default=30.0,
        ge=0,
        le=3_600,
        description="between OPTIONS to each trunk's configured contact; 0: none",
    )
    realm: str = "ascs"
    digest: tuple[Literal["SHA-256", "MD5"], ...] = Field(
        default=("SHA-256", "MD5"),
        min_length=1,
        description="offered in this order; many clients answer the first or nothing",
    )
    media: MediaSettings = MediaSettings()
    calls_max: int = Field(default=1_000, ge=1)
    aid: AidSettings = AidSettings()
    ring_s: float = Field(default=60.0, gt=0, le=600)
    talk_max_s: float = Field(default=7_200.0, gt=0)
    silence_s: float = Field(default=60.0, ge=0, description="neither side sends RTP for so long: release")
    early_media: Literal["local", "relay"] = "local"
    session_expires_s: int = Field(
        default=1_800,
        ge=0,
        le=86_400,
        description="a side that does not refresh so long is gone (RFC 4028); 0: off",
    )
    reliable_provisional: Literal["no", "supported", "required"] = Field(
        default="supported", description="PRACK (RFC 3262), on each side for itself"
    )
    end_revoked_calls: bool = Field(
        default=False, description="end answered calls too when their authorization is revoked"
    )

    @field_validator("session_expires_s")
    @classmethod
    def _check_expires(cls, seconds: int) -> int:
        if 0 < seconds < 90:
            raise ValueError("0, or at least 90 (RFC 4028, 4)")
        return seconds


class ConfirmSettings(Config):
    """The subscriber's own confirmation of a consent."""

    access_number: str = Field(pattern=r"^[0-9]{3,20}$", description="the carrier's own number for codes")
    code_valid_s: int = Field(default=86_400, ge=60)
    codes_per_day: int = Field(default=5, ge=1, description="a subscriber and enterprise")
    attempts_max: int = Field(default=5, ge=1)
    network_peers: tuple[str, ...] = ()
    assertion_valid_s: int = Field(default=3_600, ge=1)


class QuerySettings(Config):
    """Queries by number, of regulators and the trust party, for one enterprise under complaint."""

    per_day: int = Field(
        default=20, ge=0, le=1_000, description="answered in 24 hours to one requester; 0: none is"
    )
    approval_valid_s: int = Field(
        default=86_400, ge=60, le=7 * 86_400, description="how old an approver's signature may be"
    )
    period_days_max: int = Field(default=366, ge=1, le=3_660, description="the longest period asked about")
    kept_days: int = Field(
        default=1_096, ge=8, le=36_600, description="how long the numbers asked about are kept for review"
    )
    answer_s: float = Field(
        default=0.5, ge=0, le=5, description="after so long each is answered, whatever was found"
    )


class RetentionSettings(Config):
    """How many days the carrier keeps what is over. CDRs stay until the trust party has their reports in any case."""

    cdr_days: int = Field(default=1_096, ge=1, le=36_600)
    reply_days: int = Field(
        default=7, ge=1, le=36_600, description="what subscribers wrote, after it was handed over"
    )
    confirmation_days: int = Field(
        default=31, ge=1, le=36_600, description="deposits that were confirmed or not, with codes"
    )
    refusal_days: int = Field(default=366, ge=1, le=36_600, description="refused contacts and their causes")


class HttpSettings(Config):
    """One HTTP listener."""

    host: str = "127.0.0.1"
    port: Port


class GatewaySettings(Config):
    """The whole file."""

    data_dir: ConfigPath
    country_code: str = Field(default="86", pattern=r"^[1-9][0-9]{0,2}$")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    carrier: CarrierSettings
    keystore: KeyStoreSettings
    tls: TlsSettings
    trust: TrustSettings
    carrier_api: HttpSettings = HttpSettings(port=8444)
    queries: QuerySettings = QuerySettings()
    retention: RetentionSettings = RetentionSettings()
    operations: HttpSettings = HttpSettings(port=8080)
    smpp: SmppSettings = SmppSettings()
    smsc: tuple[SmscSettings, ...] = Field(min_length=1, max_length=16)
    smsc_errors: ConfigPath | None = Field(
        default=None, description="what an SMSC's refusals mean; without it the built-in table"
    )
    smsc_outbind: OutbindSettings = OutbindSettings()
    sms: SmsSettings = SmsSettings()
    voice: VoiceSettings = VoiceSettings()
    confirm: ConfirmSettings

    @field_validator("smsc")
    @classmethod
    def _check_smsc(cls, smsc: tuple[SmscSettings, ...]) -> tuple[SmscSettings, ...]:
        if len({each.name for each in smsc}) != len(smsc):
            raise ValueError("two SMSCs have one name")
        return smsc

    @property
    def database(self) -> Path:
        return self.data_dir / "carrier.db"

    @property
    def logs_folder(self) -> Path:
        return self.data_dir / "logs"

    @property
    def public_folder(self) -> Path:
        """Where `init` puts what other parties need to know of this carrier."""
        return self.data_dir / "public"
