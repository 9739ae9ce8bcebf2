"""Who may bind, register and use which access number: the store's rows as one snapshot in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.access_number import AccessNumberRow
from gateway.accounts import access_numbers
from gateway.store.accounts import SEAL_ACCOUNT_KEY, SEAL_OUTBIND, AccountRow, DirectoryRows, TrunkRow
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
    outbind_passwords: dict[str, bytes] = field(default_factory=dict, repr=False)

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
        outbind_passwords={
            row.system_id: vault.open(SEAL_OUTBIND, row.outbind_sealed)
            for row in rows.accounts
            if row.outbind_sealed
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

    @property
    def outbind_accounts(self) -> list[AccountRow]:
        """Accounts whose ESMEs wait for outbind."""
        return [row for row in self.current.accounts.values() if row.outbind is not None]

    def outbind_password(self, system_id: str) -> bytes:
        """What outbind tells the account's ESME; empty where it has none."""
        return self.current.outbind_passwords.get(system_id, b"")

    def trunk(self, username: str) -> TrunkRow | None:
        return self.current.trunks.get(username)

    @property
    def static_trunks(self) -> tuple[TrunkRow, ...]:
        """Trunks whose calls may come without a password."""
        return self.current.static_trunks

    def access_number(self, number: str) -> AccessNumberRow | None:
        return self.current.access_numbers.get(number)

    def sms_number(self, address: str) -> AccessNumberRow | None:
        """See gateway.accounts.access_numbers."""
        return access_numbers.sms_number(self.current.access_numbers, address)

    def enterprise_name(self, enterprise_id: str) -> str:
        return self.current.enterprises.get(enterprise_id, enterprise_id)

    def access_number_of(self, address: str) -> str:
        """The number of `sms_number`, or the address itself where there is none any more."""
        row = self.sms_number(address)
        return address if row is None else row.number

    def source_of(self, account: AccountRow, source_addr: str) -> tuple[str, AccessNumberRow] | None:
        """See gateway.accounts.access_numbers."""
        return access_numbers.source_of(self.current.access_numbers, account.system_id, source_addr)

    def caller_of(self, trunk: TrunkRow, from_user: str | None) -> AccessNumberRow | None:
        """The access number that a call of this trunk shows: the From user if the enterprise owns it for
        voice, else the trunk's default; None when the trunk has none that it owns."""
        for number in (from_user, trunk.default_access_number):
            row = self.current.access_numbers.get(number) if number else None
            if row is not None and row.voice_trunk is not None and row.enterprise_id == trunk.enterprise_id:
                return row
        return None
