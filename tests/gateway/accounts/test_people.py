"""Who is behind which AID, written for the carrier alone."""

import csv
from pathlib import Path
from typing import Any

import pytest

from foundation.pki import PkiError
from gateway import keys as own_keys
from gateway.access_number import AccessNumberRow
from gateway.accounts import people
from gateway.settings import GatewaySettings, TlsSettings
from gateway.store import accounts, edis
from gateway.store.domain import Domain
from interparty.client import PeerUnavailable
from tests.gateway.carrier import AID, EDI_BLOCKED, EDI_ID, ENTERPRISE, MSISDN, NUMBER, OTHER_MSISDN, edi_row
from tests.gateway.installation import make_key_store, settings_in, trust_party

NEVER_CONFIRMED = bytes(16)


@pytest.fixture
async def known(people: Domain) -> Domain:
    """Two people with a confirmed EDI, one whose EDI nobody confirmed; the enterprise has one number."""

    def op(conn: Any) -> None:
        accounts.add_enterprise(conn, ENTERPRISE, "A")
        accounts.add_access_number(conn, AccessNumberRow(NUMBER, ENTERPRISE, None, None))
        edis.insert(conn, edi_row(conn, people.vault, NEVER_CONFIRMED, confirmed_at=None))

    await people.store.write(op)
    return people


async def export(settings: GatewaySettings, domain: Domain, certificates: Path, answers: Any) -> int:
    """Export with a trust party that answers by edi_id."""
    key = own_keys.open_store(settings).current(own_keys.HTTP).material
    async with trust_party(certificates, key) as party:
        party.routes["/v1/restorations"] = lambda body: {
            "answers": [answers[item["edi_id"]] for item in body["items"]]
        }
        url = f"https://127.0.0.1:{party.port}"
        here = settings.model_copy(update={"trust": settings.trust.model_copy(update={"url": url})})
        return await people.export(here, domain, settings.data_dir / "people.csv")


def refused(reason: str) -> dict[str, Any]:
    return {"refusal": {"reason": reason}}


@pytest.fixture
def settings(tmp_path: Path, certificates: Path) -> GatewaySettings:
    made = settings_in(tmp_path, certificates)
    make_key_store(made)
    return made


async def test_every_confirmed_edi_that_has_an_aid_is_a_line(
    settings: GatewaySettings, known: Domain, certificates: Path
) -> None:
    answers = {EDI_ID.hex(): {"aid": AID}, EDI_BLOCKED.hex(): refused("REVOKED")}
    assert await export(settings, known, certificates, answers) == 1
    file = settings.data_dir / "people.csv"
    assert list(csv.reader(file.open())) == [
        ["msisdn", "enterprise_id", "aid"],
        [MSISDN, ENTERPRISE, AID],
    ]
    assert file.stat().st_mode & 0o777 == 0o600


async def test_the_trust_party_is_asked_under_edi_ids_and_never_a_number(
    settings: GatewaySettings, known: Domain, certificates: Path
) -> None:
    asked: list[Any] = []

    class Answers(dict[str, Any]):
        def __missing__(self, edi_id: str) -> Any:
            asked.append(edi_id)
            return refused("EXPIRED")

    assert await export(settings, known, certificates, Answers()) == 0
    assert sorted(asked) == sorted([EDI_ID.hex(), EDI_BLOCKED.hex()])
    assert not any(number in edi_id for edi_id in asked for number in (MSISDN, OTHER_MSISDN))


async def test_without_an_answer_no_file_is_written(settings: GatewaySettings, known: Domain) -> None:
    with pytest.raises(PeerUnavailable):
        await people.export(settings, known, settings.data_dir / "people.csv")
    assert not (settings.data_dir / "people.csv").exists()


async def test_a_certificate_that_is_missing_is_named(
    settings: GatewaySettings, known: Domain, tmp_path: Path
) -> None:
    tls = TlsSettings(ca=settings.tls.ca, cert=tmp_path / "none.pem", key=settings.tls.key)
    without = settings.model_copy(update={"tls": tls})
    with pytest.raises(PkiError, match=r"TLS cert: .*/none\.pem: No such file"):
        await people.export(without, known, tmp_path / "people.csv")
