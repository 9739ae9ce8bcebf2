"""What an SMSC operator configures."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from foundation.config import Config, ConfigPath
from simulators.smsc.delays import NO_DELAY, Delay
from simulators.smsc.dialect import PRESETS, Dialect
from simulators.smsc.outcomes import Outcome
from simulators.smsc.patterns import Pattern

Digits = Annotated[str, Field(pattern=r"^[0-9]{1,20}$")]
SystemId = Annotated[str, Field(min_length=1, max_length=15)]
Password = Annotated[str, Field(max_length=8)]
"""SMPP 3.4 5.2.2: at most 8 octets."""
Port = Annotated[int, Field(ge=0, le=65535)]
Rate = Annotated[int, Field(ge=0, le=1_000_000)]
Status = Annotated[int, Field(ge=0, le=0xFFFFFFFF)]
Share = Annotated[float, Field(ge=0, le=1)]


class Account(Config):
    """Who may bind. An ``esme`` sends MTs and gets receipts and MOs; ``handsets`` is the radio side."""

    system_id: SystemId
    password: Password
    kind: Literal["esme", "handsets"] = "esme"
    routes: tuple[Digits, ...] = ()
    """An MO goes to the account with the longest route that its destination address begins with."""
    binds_max: Annotated[int, Field(ge=1, le=64)] = 8
    dialect: str | None = None
    """Name of a dialect; None: the SMSC's."""
    rate_max: Rate | None = None
    """Messages a second; None: the SMSC's."""


class Reply(Config):
    """A phone that answers by itself: every rule that matches a delivered text sends its reply."""

    number: Pattern = ""
    """The phone's number must match it in full."""
    text: Pattern = ""
    """Must be found in the whole text, all parts of a long message together."""
    reply: Annotated[str, Field(min_length=1, max_length=1000)]
    r"""May repeat groups of `text`: ``\1``, ``\g<name>``."""
    to: str = ""
    """Where the reply goes; empty: the message's source address."""
    after: Delay = NO_DELAY


class Faults(Config):
    """What goes wrong on connections. A share is drawn for every request PDU; 0 switches each off."""

    bind_status: Status = 0
    """Every bind is refused with it."""
    hang_after: Annotated[int, Field(ge=0)] = 0
    """Requests on one connection, after which nothing on it is answered or sent; TCP stays open."""
    hang_share: Share = 0.0
    hang_seconds: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    """How long; 0: for good."""
    disconnect_after: Annotated[int, Field(ge=0)] = 0
    """Requests on one connection, after which it ends."""
    disconnect_share: Share = 0.0
    disconnect: Literal["reset", "close", "unbind"] = "reset"
    """TCP RST, TCP FIN, or unbind in order."""


class Behaviour(Config):
    """What the control API may change while the SMSC runs."""

    seed: int = 0
    """Of every draw: the same seed and traffic give the same outcomes."""
    draw_by: Literal["sequence", "number"] = "sequence"
    """``sequence``: by the message's place in the run; ``number``: a destination always fares the same."""
    outcomes: Annotated[tuple[Outcome, ...], Field(max_length=100)] = ()
    """Empty: every message gets what the phone answers."""
    response_delay: Delay = NO_DELAY
    """From submit_sm to its response, for outcomes that name none."""
    delivery_delay: Delay = NO_DELAY
    """From submit_sm to delivery or failure, for outcomes that name none."""
    replies: Annotated[tuple[Reply, ...], Field(max_length=100)] = ()
    faults: Faults = Faults()
    rate_max: Rate = 0
    """Messages a second that each account may submit; 0: no limit."""
    rate_burst: Rate = 0
    """Messages above an even flow; 0: a second's worth."""
    rate_status: Annotated[int, Field(ge=1, le=0xFFFFFFFF)] = 0x58
    """command_status above the rate: ESME_RTHROTTLED; some SMSCs say ESME_RMSGQFUL, 0x14."""
    congestion_state: Literal["off", "auto"] | Annotated[int, Field(ge=0, le=99)] = "off"
    """The congestion_state TLV of 5.0 in responses to ESMEs that speak it: off, measured, or so much."""


class Outbind(Config):
    """An ESME that waits for outbind: it is called whenever `account` has no bind that could receive."""

    account: SystemId
    host: str
    port: Port
    system_id: SystemId
    password: Password
    always: bool = False
    """Also when nothing waits for it."""


class SmscSettings(Behaviour):
    """One SMSC."""

    host: str = "127.0.0.1"
    port: Port = 2776
    system_id: SystemId = "SMSC"
    api_host: str = "127.0.0.1"
    api_port: Port | None = None
    """Of the control API; None: there is none."""
    store: Literal["disk", "memory"] = "disk"
    """``disk``: nothing is acknowledged before it is on the disk; ``memory``: fast, and gone with the process."""
    data_dir: ConfigPath | None = None
    """Where the message store lives."""
    log_dir: ConfigPath
    log_level: str = "INFO"
    accounts: Annotated[list[Account], Field(min_length=1, max_length=1000)]
    outbinds: Annotated[tuple[Outbind, ...], Field(max_length=64)] = ()
    dialect: str = "plain"
    """Of accounts that name none."""
    dialects: dict[str, Dialect] = Field(default_factory=dict)
    """The operator's own, by name, beside the presets."""
    distribution_lists: dict[str, Annotated[tuple[Digits, ...], Field(min_length=1, max_length=254)]] = Field(
        default_factory=dict
    )
    """Of submit_multi: dl_name to numbers."""
    interface_version: Literal["3.4", "5.0"] = "5.0"
    """What bind responses say in sc_interface_version."""
    validity_hours: Annotated[float, Field(gt=0, le=720)] = 48.0
    """Life of a message that names no validity period."""
    retry_seconds: Annotated[float, Field(gt=0, le=3600)] = 2.0
    """Pause after a temporary failure or while nobody who could take it is bound."""
    open_max: Annotated[int, Field(ge=1, le=2_000_000)] = 200_000
    """Messages that are not final or owe a receipt; beyond it submit_sm is answered ESME_RMSGQFUL."""
    history: Annotated[int, Field(ge=0, le=10_000_000)] = 100_000
    """Messages that query_sm and the control API remember after their end."""
    window: Annotated[int, Field(ge=1, le=100_000)] = 500
    """deliver_sm without an answer on one bind."""
    inbound_window: Annotated[int, Field(ge=1, le=100_000)] = 5_000
    """Requests without an answer on one bind; one more is answered ESME_RTHROTTLED."""
    response_seconds: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """How long a deliver_sm waits for its response before it is sent again."""
    enquire_link_seconds: Annotated[float, Field(ge=0, le=86_400)] = 30.0
    """Silence after which enquire_link is sent; 0: never."""
    inactivity_seconds: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    """Without a message for so long a bind is ended; 0: never."""

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        if self.store == "disk" and self.data_dir is None:
            raise ValueError("data_dir is missing: store is disk")
        if len({account.system_id for account in self.accounts}) < len(self.accounts):
            raise ValueError("two accounts have one system_id")
        for name in (self.dialect, *(account.dialect for account in self.accounts)):
            if name is not None and name not in self.dialects and name not in PRESETS:
                raise ValueError(f"no dialect is named {name}; presets: {', '.join(PRESETS)}")
        esmes = {account.system_id for account in self.accounts if account.kind == "esme"}
        for outbind in self.outbinds:
            if outbind.account not in esmes:
                raise ValueError("outbinds: account is not the system_id of an esme")
        return self

    def dialect_of(self, account: Account) -> Dialect:
        """The dialect in which this account is answered."""
        name = account.dialect or self.dialect
        return self.dialects.get(name) or PRESETS[name]

    @property
    def has_handsets(self) -> bool:
        """Messages go to a fleet that binds; else the SMSC itself plays every phone."""
        return bool(self.fleet)

    @property
    def fleet(self) -> str | None:
        """The system_id of the fleet of handsets."""
        return next((each.system_id for each in self.accounts if each.kind == "handsets"), None)


def behaviour_of(settings: SmscSettings) -> Behaviour:
    """The part that may change."""
    return Behaviour(**{name: getattr(settings, name) for name in Behaviour.model_fields})


def overridden(settings: SmscSettings, changed: dict[str, Any]) -> SmscSettings:
    """The settings with some keys changed. Raises ValueError, which names the first fault."""
    try:
        return SmscSettings.model_validate(settings.model_dump() | changed)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise ValueError(first["msg"].removeprefix("Value error, ")) from None
