"""The app on the phone seals so that the carrier alone can open, as of the day in Shanghai."""

import datetime

from gm.sm2 import PrivateKey
from interparty import edi
from interparty.edi import EdiHeader, IdType
from trust_client.app import seal_identifier

KEY = PrivateKey.generate()
NONCE = bytes(range(16))


def sealed(**changes) -> bytes:
    fields = {
        "carrier": "CMCC",
        "carrier_key_id": "K001",
        "id_type": IdType.IMEI,
        "identifier": "490154203237518",
        "enterprise": "ent-a",
        "consent_nonce": NONCE,
    }
    return seal_identifier(KEY.public_key, **(fields | changes))


def test_the_carrier_opens_what_the_app_sealed():
    assert edi.open_edi(KEY, sealed(), enterprise="ent-a", consent_nonce=NONCE) == "490154203237518"


def test_the_as_of_date_is_that_of_shanghai():
    late = datetime.datetime(2026, 11, 23, 20, 0, tzinfo=datetime.UTC)
    header = EdiHeader.parse(sealed(now_ms=int(late.timestamp() * 1000)))
    assert header == EdiHeader(IdType.IMEI, "CMCC", "K001", 20261124)
