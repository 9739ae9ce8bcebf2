"""Configuration of a witness (config/witness.toml)."""

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from foundation.config import Config, ConfigPath
from foundation.identities import check_party_id
from interparty.party_link import PartyLinkSettings

DATABASE: Final = "witness.db"
LOGS_FOLDER: Final = "logs"
MIRROR: Final = "mirror.db"

Party = Annotated[str, AfterValidator(check_party_id)]


class WitnessSettings(Config):
    """Everything a witness can be told."""

    party: Party
    """Own id, the one that the certificate names and under which the trust party knows the signing key."""
    data_dir: ConfigPath
    """Where it remembers what it cosigned."""
    log_key: ConfigPath
    """The log's public key, PEM; from the trust party's operator, not over the network."""
    trust: PartyLinkSettings
    """The trust party; `sign_key` signs requests and cosignatures."""
    witnesses: dict[Party, ConfigPath] = Field(default_factory=dict)
    """SM2 public keys (PEM) of other witnesses, whose views are compared with our own."""
    mirror: bool = False
    """Whether it keeps a copy of all leaves and makes each root itself: about 83 bytes a leaf."""
    every_seconds: Annotated[float, Field(gt=0, le=3600)] = 4.0
    """How often the trust party is asked: at least twice in its witness_seconds."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @model_validator(mode="after")
    def _signs_with_sm2(self) -> Self:
        if self.trust.sign_key is None:
            raise ValueError("a witness signs with SM2: give trust.sign_key")
        return self

    @property
    def database(self) -> Path:
        return self.data_dir / DATABASE

    @property
    def mirror_file(self) -> Path:
        """Where the copy of the leaves is."""
        return self.data_dir / MIRROR

    @property
    def logs_folder(self) -> Path:
        return self.data_dir / LOGS_FOLDER
