"""What an SMSC operator configures."""

from typing import Annotated, Literal

from pydantic import Field

from foundation.config import Config, ConfigPath
from simulators.smsc.dialect import IdFormName
from simulators.smsc.outcomes import Outcome

Digits = Annotated[str, Field(pattern=r"^[0-9]{1,20}$")]


class Account(Config):
    """Who may bind. An ``esme`` sends MTs and gets receipts and MOs; ``handsets`` is the radio side."""

    system_id: Annotated[str, Field(min_length=1, max_length=15)]
    password: Annotated[str, Field(max_length=8)]
    """SMPP 3.4 5.2.2: at most 8 octets."""
    kind: Literal["esme", "handsets"] = "esme"
    routes: tuple[Digits, ...] = ()
    """An MO goes to the account with the longest route that its destination address begins with."""
    binds_max: Annotated[int, Field(ge=1, le=64)] = 8


class SmscSettings(Config):
    """One SMSC."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 2776
    system_id: Annotated[str, Field(min_length=1, max_length=15)] = "SMSC"
    data_dir: ConfigPath
    """Where the message store lives."""
    log_dir: ConfigPath
    log_level: str = "INFO"
    accounts: Annotated[list[Account], Field(min_length=1, max_length=1000)]
    response_id: IdFormName = "decimal"
    """How submit_sm_resp writes the message id."""
    receipt_id: IdFormName = "decimal"
    """How the receipt writes it; many SMSCs write hexadecimal in one place and decimal in the other."""
    validity_hours: Annotated[float, Field(gt=0, le=720)] = 48.0
    """Life of a message that names no validity period."""
    retry_seconds: Annotated[float, Field(gt=0, le=3600)] = 2.0
    """Pause after a temporary failure or while nobody who could take it is bound."""
    seed: int = 0
    """Of the outcome draws: the same seed and traffic give the same outcomes."""
    outcomes: tuple[Outcome, ...] = ()
    """Empty: every message gets what the handset answers."""
