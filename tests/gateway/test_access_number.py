"""What an access number lets its messages carry."""

from gateway.access_number import AccessNumberRow
from masking.smpp_options import allow_of


def test_its_content_options_say_what_its_messages_may_carry() -> None:
    plain = AccessNumberRow("1069", "ent-a", "sms-a", None)
    assert plain.allow == allow_of(())
    assert AccessNumberRow("1069", "ent-a", "sms-a", None, sms_content=("flash",)).allow == allow_of(
        ("flash",)
    )
