"""The configuration of whoever asks for evidence: config/regulator.toml."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from foundation.config import Config, ConfigPath
from foundation.identities import check_party_id
from gm.sm2 import PublicKey
from interparty.party_link import PartyLinkSettings
from trust_client.regulator import CarrierKey


class CarrierSettings(Config):
    """A carrier that may be asked by number."""

    id: Annotated[str, Field(min_length=4, max_length=4)]
    query_key: ConfigPath
    """Its public/query-<version>.pem, from the carrier itself."""
    query_key_version: Annotated[int, Field(ge=1)] = 1


class AskerSettings(Config):
    """Whoever asks for evidence: an enterprise, or a regulator with the carriers that it may ask by number."""

    id: Annotated[str, AfterValidator(check_party_id)]
    trust: PartyLinkSettings
    log_keys: Annotated[tuple[ConfigPath, ...], Field(min_length=1)]
    """The trust party's public/log-<version>.pem."""
    carriers: tuple[CarrierSettings, ...] = ()

    def log_public_keys(self) -> list[PublicKey]:
        """Raises OSError, GmError."""
        return [PublicKey.from_pem(path.read_bytes()) for path in self.log_keys]

    def carrier_keys(self) -> dict[str, CarrierKey]:
        """Raises OSError, GmError."""
        return {
            each.id: CarrierKey(PublicKey.from_pem(each.query_key.read_bytes()), each.query_key_version)
            for each in self.carriers
        }
