"""The keys of the gateway's configuration file that the SMS path goes by. `gateway.settings` has the whole."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, IPvAnyNetwork, model_validator

from foundation.config import Config, ConfigPath

Port = Annotated[int, Field(ge=0, le=65535)]

PRINTABLE = r"^[ -~]*$"
"""ASCII, of which an SMPP C-octet string takes as many characters as octets."""


class PublicTlsSettings(Config):
    """A listener's certificate, and which it asks of clients."""

    cert: ConfigPath
    key: ConfigPath
    client_ca: ConfigPath | None = Field(
        default=None, description="of client certificates; without it none is asked"
    )
    client_required: bool = Field(default=False, description="no connection without a client certificate")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.client_required and self.client_ca is None:
            raise ValueError("client_required needs client_ca")
        return self


class SmppTlsSettings(PublicTlsSettings):
    """SMPP over TLS 1.2 or higher, beside the listener without."""

    host: str = "127.0.0.1"
    port: Port = 3550


class SmppSettings(Config):
    """The SMPP server that enterprises bind to."""

    host: str = "127.0.0.1"
    port: Port = 2775
    system_id: str = Field(default="ASCS", max_length=15)
    window: int = Field(default=500, ge=1, le=10_000, description="unanswered requests of one bind, each way")
    enquire_link_s: float = Field(default=30.0, gt=0)
    response_s: float = Field(default=10.0, gt=0)
    session_init_s: float = Field(default=10.0, gt=0)
    inactivity_s: float = Field(default=0.0, ge=0, description="0: never")
    connections_max: int = Field(default=500, ge=1)
    address_connections_max: int = Field(default=100, ge=1, description="from one address")
    account_rate: float = Field(
        default=0.0,
        ge=0,
        le=100_000,
        description="messages a second of an account that has no rate of its own; 0: no limit",
    )
    access_number_rate: float = Field(
        default=0.0, ge=0, le=100_000, description="the same of an access number"
    )
    burst_s: float = Field(
        default=1.0, gt=0, le=3_600, description="after a silence, what comes in so long may come at once"
    )
    drain_s: float = Field(
        default=5.0, gt=0, le=60, description="for the answers that are open when it stops"
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=16,
        description="front processes that have the sessions; 1: none, they are the gateway's own",
    )
    tls: SmppTlsSettings | None = None


class SmscTlsSettings(Config):
    """TLS 1.2 or higher towards an SMSC; its certificate must name the host. Ours only if it asks for one."""

    ca: ConfigPath
    cert: ConfigPath | None = None
    key: ConfigPath | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key go together")
        return self


class SmscOutbindSettings(Config):
    """An SMSC that may ask to be bound to (outbind), and by what it is known."""

    addresses: tuple[IPvAnyNetwork, ...] = Field(min_length=1, max_length=64)
    system_id: str = Field(max_length=15, pattern=PRINTABLE)
    password: str = Field(max_length=8, pattern=PRINTABLE)


class SmscSettings(Config):
    """One SMSC that takes messages to subscribers and brings theirs. Its link is all its binds together."""

    name: str = Field(default="smsc", pattern=r"^[A-Za-z0-9_.-]{1,32}$")
    host: str = "127.0.0.1"
    port: Port = 2776
    system_id: str = Field(max_length=15, pattern=PRINTABLE)
    password: str = Field(max_length=8, pattern=PRINTABLE)
    system_type: str = Field(default="", max_length=12, pattern=PRINTABLE)
    bind: Literal["transceiver", "pair"] = Field(
        default="transceiver", description="pair: a transmitter and a receiver instead"
    )
    binds: int = Field(default=1, ge=1, le=16, description="transceivers, or pairs")
    priority: int = Field(
        default=1, ge=1, le=16, description="used only while no SMSC of a lower number is bound"
    )
    weight: int = Field(default=1, ge=1, le=100, description="share among SMSCs of one priority")
    window: int = Field(default=200, ge=1, le=10_000, description="unanswered requests of one bind")
    rate: float = Field(default=0.0, ge=0, le=100_000, description="messages a second; 0: no limit")
    burst: int = Field(
        default=0, ge=0, le=100_000, description="at once after a pause; 0: a tenth of a second's"
    )
    throttle_pause_s: float = Field(default=1.0, gt=0, le=600)
    throttle_recover_s: float = Field(default=30.0, gt=0, le=3_600)
    enquire_link_s: float = Field(default=30.0, gt=0, le=3_600)
    response_s: float = Field(default=10.0, gt=0, le=300)
    connect_s: float = Field(default=10.0, gt=0, le=300, description="TCP, TLS and bind together")
    backoff_min_s: float = Field(default=0.5, gt=0, le=60)
    backoff_max_s: float = Field(default=30.0, gt=0, le=3_600)
    msisdn_ton: int = Field(default=1, ge=0, le=255)
    msisdn_npi: int = Field(default=1, ge=0, le=255)
    source_ton: int = Field(default=0, ge=0, le=255)
    source_npi: int = Field(default=1, ge=0, le=255)
    receipt_ids: Literal["same", "padded", "hex-to-decimal", "decimal-to-hex", "any"] = Field(
        default="any", description="how a receipt writes the id that the response gave"
    )
    tls: SmscTlsSettings | None = None
    outbind: SmscOutbindSettings | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.backoff_min_s > self.backoff_max_s:
            raise ValueError("backoff_min_s is above backoff_max_s")
        return self


class OutbindSettings(Config):
    """Where SMSCs may send outbind; listened on only when one of them is configured to."""

    host: str = "127.0.0.1"
    port: Port = 2777


class SmsSettings(Config):
    """How messages are kept and for how long."""

    validity_default_s: int = Field(default=86_400, ge=1)
    validity_max_s: int = Field(default=7 * 86_400, ge=1)
    schedule_max_s: int = Field(
        default=30 * 86_400, ge=1, description="how far ahead schedule_delivery_time may be"
    )
    receipt_wait_s: int = Field(
        default=3_600, ge=0, description="after validity, before a message without a receipt is EXPIRED"
    )
    outbox_validity_s: int = Field(default=3 * 86_400, ge=1, description="receipts and replies wait so long")
    sensitive_words: ConfigPath | None = Field(
        default=None, description="a file of words, one a line, that no text may have in it"
    )
    offer_digests: bool = Field(
        default=True, description="a question about a whole message names the digest of its content"
    )
    opt_out_words: tuple[str, ...] = ("TD", "T", "退订", "N", "QX", "0000")
    opt_out_notice: str = "您已退订该企业的服务，将不再收到其短信和来电。"
