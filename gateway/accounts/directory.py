"""Who may bind, register and use which access number: the store's rows as one snapshot in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from gateway.store.accounts import (
    SEAL_ACCOUNT_KEY,
    SEAL_OUTBIND,
    AccessNumberRow,
    AccountRow,
    DirectoryRows,
    TrunkRow,
)
from gateway.store.vault import Vault

NUMBER_DIGITS_MIN: Final = 3
NUMBER_DIGITS_MAX: Final = 20
"""Of an access number, a sub-code and what an enterprise appends included (3.4, 4.4.1: source_addr)."""


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
        """The access number that a text from or to an address concerns: the longest that the address begins
        with and that an account has. What follows it is the enterprise's own; None when there is no such."""
        numbers = self.current.access_numbers
        row = numbers.get(address)
        if row is not None and row.sms_account is not None:
            return row
        for length in range(len(address) - 1, NUMBER_DIGITS_MIN - 1, -1):
            row = numbers.get(address[:length])
            if row is not None and row.sms_account is not None:
                return row
        return None

    def enterprise_name(self, enterprise_id: str) -> str:
        return self.current.enterprises.get(enterprise_id, enterprise_id)

    def access_number_of(self, address: str) -> str:
        """The number of `sms_number`, or the address itself where there is none any more."""
        row = self.sms_number(address)
        return address if row is None else row.number

    def source_of(self, account: AccountRow, source_addr: str) -> tuple[str, AccessNumberRow] | None:
        """What a message of this account shows as its source, and the access number that it is or begins with;
        None when it may not come from there.

        An empty source means the account's own number where it has exactly one.
        """
        if source_addr:
            row = self.sms_number(source_addr)
            if row is None or row.sms_account != account.system_id:
                return None
            extension = source_addr[len(row.number) :]
            if len(extension) > row.extension_digits or not (source_addr.isascii() and source_addr.isdigit()):
                return None
            return source_addr, row
        own = [row for row in self.current.access_numbers.values() if row.sms_account == account.system_id]
        return (own[0].number, own[0]) if len(own) == 1 else None

    def caller_of(self, trunk: TrunkRow, from_user: str | None) -> AccessNumberRow | None:
        """The access number that a call of this trunk shows: the From user if the enterprise owns it for
        voice, else the trunk's default; None when the trunk has none that it owns."""
        for number in (from_user, trunk.default_access_number):
            row = self.current.access_numbers.get(number) if number else None
            if row is not None and row.voice_trunk is not None and row.enterprise_id == trunk.enterprise_id:
                return row
        return None
