"""The app on the phone seals the phone's own identifier, to the carrier alone."""

from pathlib import Path

import pytest

from gm.sm2 import PrivateKey
from interparty.edi import EdiHeader, IdType, edi_id, from_text, open_edi
from simulators.handsets import sealing
from simulators.handsets.sealing import PhoneApp, SealRefused, SealRequest
from simulators.handsets.settings import AppSettings
from simulators.handsets.subscribers import Subscriber, generate

KEY = PrivateKey.generate()
NONCE = bytes(range(16))
PHONES = generate(5)


@pytest.fixture
def app(tmp_path: Path) -> PhoneApp:
    file = tmp_path / "edi.pem"
    file.write_bytes(KEY.public_key.to_pem())
    return PhoneApp(AppSettings(carrier="CMCC", carrier_key_id="K001", carrier_public_key=file))


def request(
    phone: Subscriber = PHONES[0], id_type: IdType = IdType.IMSI, as_of: int | None = None
) -> SealRequest:
    return SealRequest(phone, "ent-a", NONCE, id_type, as_of)


def opened(text: str) -> str:
    return open_edi(KEY, from_text(text), enterprise="ent-a", consent_nonce=NONCE)


def test_the_carrier_opens_the_identifier_that_was_asked_for(app: PhoneApp) -> None:
    assert opened(app.seal(request())) == PHONES[0].imsi
    assert opened(app.seal(request(id_type=IdType.IMEI))) == PHONES[0].imei


def test_two_consents_of_one_phone_have_nothing_in_common(app: PhoneApp) -> None:
    first, second = (from_text(app.seal(request())) for _ in range(2))
    assert edi_id(first) != edi_id(second)


def test_the_day_is_today_or_the_one_that_is_said(app: PhoneApp) -> None:
    assert EdiHeader.parse(from_text(app.seal(request(as_of=20261101)))).as_of == 20261101


def test_what_a_phone_has_not_or_no_calendar_has_is_refused(app: PhoneApp) -> None:
    with pytest.raises(SealRefused, match="IMSI and an IMEI"):
        app.seal(request(id_type=IdType.OAID))
    with pytest.raises(SealRefused):
        app.seal(request(as_of=20261301))


async def test_many_come_back_in_order(app: PhoneApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "CHUNK", 2)
    made = await app.seal_all([request(phone) for phone in PHONES])
    assert [opened(text) for text in made] == [phone.imsi for phone in PHONES]
