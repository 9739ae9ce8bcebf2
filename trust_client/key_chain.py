"""A party's sign keys from those that are known on: each is believed by the word of one that was before it."""

from collections.abc import Iterable, Mapping, Sequence

from gm.sm2 import PublicKey
from interparty.key_delivery import DeliveryError, check, keyid_of
from interparty.key_messages import SignedKeyNotice


def chain(party: str, known: Sequence[PublicKey], told: Iterable[SignedKeyNotice]) -> list[PublicKey]:
    """The known keys of a party, and those among what was told that these vouch for, directly or by others told
    before. Whoever they were told to and however long ago: the word of one key for the next stands for good."""
    keys = list(known)
    named: dict[str, PublicKey] = {}
    for notice in told:
        statement = notice.statement
        believed = named.get(notice.keyid)
        # Known keys come without a name: any of them may be the one.
        for signer in known if believed is None else (believed, *known):
            try:
                check(
                    notice,
                    {notice.keyid: signer},
                    party=party,
                    recipient=statement.recipient,
                    now_ms=statement.at,
                )
            except DeliveryError:
                continue
            if statement.key == "sign":
                key = PublicKey.from_bytes(bytes.fromhex(statement.value))
                named.setdefault(keyid_of(statement), key)
                keys.append(key)
            break
    return keys


def chains(
    known: Mapping[str, Sequence[PublicKey]], told: Sequence[SignedKeyNotice]
) -> dict[str, list[PublicKey]]:
    """The same for each of several parties."""
    return {
        party: chain(party, keys, [each for each in told if each.statement.party == party])
        for party, keys in known.items()
    }
