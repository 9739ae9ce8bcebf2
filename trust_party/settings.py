"""Configuration of the trust party (config/trust.toml)."""

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from foundation.config import Config, ConfigPath
from foundation.identities import check_party_id
from foundation.key_provider import KeyStoreSettings
from interparty.aid import DEFAULT_PREFIX, check_prefix

DATABASE: Final = "trust.db"
PUBLIC_FOLDER: Final = "public"
LOGS_FOLDER: Final = "logs"


class TlsSettings(Config):
    """Certificates for mutual TLS with the other parties, PEM."""

    ca: ConfigPath
    cert: ConfigPath
    key: ConfigPath


class MqttSettings(Config):
    """The broker that carries revocations to carriers, over mutual TLS with the party's own certificate."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8883
    ca: ConfigPath | None = None
    """Certificates for the broker, all three or none: then those of [tls]."""
    cert: ConfigPath | None = None
    key: ConfigPath | None = None

    @model_validator(mode="after")
    def _all_or_none(self) -> Self:
        if len({each is None for each in (self.ca, self.cert, self.key)}) != 1:
            raise ValueError("ca, cert and key go together")
        return self


class OperationsSettings(Config):
    """Where /metrics is served over plain HTTP: the operator's own network."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8445


class TrustSettings(Config):
    """Everything a trust party can be told; see config/trust.toml for what each is for."""

    party: Annotated[str, AfterValidator(check_party_id)] = "ttp"
    """Own party id, the one that the certificate names."""
    data_dir: ConfigPath
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8443
    tls: TlsSettings
    keystore: KeyStoreSettings
    operations: OperationsSettings | None = None
    """Unset: no metrics."""
    mqtt: MqttSettings | None = None
    """Unset: revocations go over the verify stream alone, where they go in any case."""
    capture_file: ConfigPath | None = None
    """Where every decrypted byte received is recorded, for leak searches; unset: nowhere."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    aid_prefix: Annotated[str, AfterValidator(check_prefix)] = DEFAULT_PREFIX
    as_of_days: Annotated[int, Field(ge=0, le=7)] = 1
    """How many days before today (Asia/Shanghai) an EDI's as-of date may lie."""
    collected_hours: Annotated[int, Field(ge=1, le=168)] = 24
    """How old a consent may be when it is deposited."""
    pending_hours: Annotated[float, Field(gt=0, le=168)] = 24
    """How long a deposit waits for the subscriber's confirmation before it expires."""
    term_days_max: Annotated[int, Field(ge=1, le=3660)] = 1098
    """The longest term that a consent may have."""
    term_ahead_days: Annotated[int, Field(ge=0, le=366)] = 31
    """How far ahead a term may begin."""
    live_max: Annotated[int, Field(ge=0, le=20_000_000)] = 2_000_000
    """Active AIDs kept in memory, about 600 bytes each; those past it are looked up in the store."""
    retention_days: Annotated[int, Field(ge=1, le=36_600)] = 1096
    """How long the evidence of a consent is kept after its last AID ended; then its data key is destroyed."""
    queries_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 600
    """Queries for evidence that each party may make; as many at once after a silence."""
    evidence_seconds: Annotated[float, Field(ge=0, le=60)] = 0.25
    """The least time between two batches of the evidence log; a deposit's answer waits for its batch."""
    witness_seconds: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """How long one checkpoint is the one that all witnesses are to cosign."""
    unknown_aids_per_minute: Annotated[float, Field(gt=0, le=100_000)] = 60
    """How many AIDs that are not its own an enterprise, or a carrier for one enterprise, may name in the long run."""
    unknown_aids_burst: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """How many at once."""
    anchor_file: ConfigPath | None = None
    """Where the log's checkpoints are put down as well, to be copied away; unset: nowhere."""
    anchor_seconds: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """How often."""
    sweep_seconds: Annotated[float, Field(gt=0, le=3600)] = 5.0
    """How often expiry is looked for. Validity itself is checked on every use."""

    @property
    def database(self) -> Path:
        return self.data_dir / DATABASE

    @property
    def public_folder(self) -> Path:
        """Where `init` puts the public keys that other parties need."""
        return self.data_dir / PUBLIC_FOLDER

    @property
    def logs_folder(self) -> Path:
        return self.data_dir / LOGS_FOLDER
