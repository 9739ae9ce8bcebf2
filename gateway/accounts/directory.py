"""Who may bind, register and use which access number: the store's rows as one snapshot in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.store.accounts import (
    SEAL_ACCOUNT_KEY,
    AccessNumberRow,
    AccountRow,
    DirectoryRows,
    TrunkRow,
)
from gateway.store.vault import Vault


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The directory at one version."""

    version: int = 0
    enterprises: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, AccountRow] = field(default_factory=dict)
    access_numbers: dict[str, AccessNumberRow] = field(default_factory=dict)
    trunks: dict[str, TrunkRow] = field(default_factory=dict)
    account_keys: dict[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def static_trunks(self) -> tuple[TrunkRow, ...]:
        """Trunks whose calls may come without a password."""
        return tuple(row for row in self.trunks.values() if row.addresses or row.certificates)


def snapshot(rows: DirectoryRows, vault: Vault) -> Snapshot:
    """The rows by name, with the account keys open. Raises gm.errors.DecryptError."""
    return Snapshot(
        version=rows.version,
        enterprises=rows.enterprises,
        accounts={row.system_id: row for row in rows.accounts},
        access_numbers={row.number: row for row in rows.access_numbers},
        trunks={row.username: row for row in rows.trunks},
        account_keys={
            row.system_id: vault.open(SEAL_ACCOUNT_KEY, row.key_sealed)
            for row in rows.accounts
            if row.key_sealed
        },
    )


class Directory:
    """Answers from the newest snapshot; `app` replaces it when the store's version grows."""

    def __init__(self, current: Snapshot | None = None) -> None:
        self.current = current or Snapshot()

    def account(self, system_id: str) -> AccountRow | None:
        return self.current.accounts.get(system_id)

    def account_key(self, system_id: str) -> bytes | None:
        """What the account's enterprise has too, for the salts of content digests; None if it has none."""
        return self.current.account_keys.get(system_id)

    def trunk(self, username: str) -> TrunkRow | None:
        return self.current.trunks.get(username)

    @property
    def static_trunks(self) -> tuple[TrunkRow, ...]:
        """Trunks whose calls may come without a password."""
        return self.current.static_trunks

    def access_number(self, number: str) -> AccessNumberRow | None:
        return self.current.access_numbers.get(number)

    def enterprise_name(self, enterprise_id: str) -> str:
        return self.current.enterprises.get(enterprise_id, enterprise_id)

    def source_of(self, account: AccountRow, source_addr: str) -> str | None:
        """The access number that a message of this account comes from, None when it may not.

        An empty source means the account's own number where it has exactly one.
        """
        if source_addr:
            row = self.current.access_numbers.get(source_addr)
            return source_addr if row is not None and row.sms_account == account.system_id else None
        own = [
            row.number for row in self.current.access_numbers.values() if row.sms_account == account.system_id
        ]
        return own[0] if len(own) == 1 else None

    def caller_of(self, trunk: TrunkRow, from_user: str | None) -> str | None:
        """The access number that a call of this trunk shows: the From user if the enterprise owns it for
        voice, else the trunk's default; None when the trunk has none that it owns."""
        for number in (from_user, trunk.default_access_number):
            row = self.current.access_numbers.get(number) if number else None
            if row is not None and row.voice_trunk is not None and row.enterprise_id == trunk.enterprise_id:
                return row.number
        return None
