"""From when and until when a message may be delivered (3.4, 7.1.1)."""

import pytest

from simulators.smsc.lifetimes import BadTime, lifetime
from smpp.constants import CommandStatus
from smpp.pdu import SubmitSm

NOW_MS = 1_793_500_000_000
HOUR_MS = 3_600_000
IN_AN_HOUR = b"000000010000000R"
IN_TWO_HOURS = b"000000020000000R"


@pytest.mark.parametrize(
    ("schedule", "validity", "due", "expires"),
    [
        (b"", b"", 0, 24 * HOUR_MS),
        (b"", IN_TWO_HOURS, 0, 2 * HOUR_MS),
        (IN_AN_HOUR, IN_TWO_HOURS, HOUR_MS, 2 * HOUR_MS),
        (IN_AN_HOUR, b"", HOUR_MS, 25 * HOUR_MS),  # it lives from its schedule on
    ],
)
def test_a_message_waits_for_its_schedule_and_lives_as_it_says_or_as_usual(
    schedule: bytes, validity: bytes, due: int, expires: int
) -> None:
    body = SubmitSm(schedule_delivery_time=schedule, validity_period=validity)
    assert lifetime(body, NOW_MS, 24 * HOUR_MS) == (NOW_MS + due, NOW_MS + expires)


@pytest.mark.parametrize(
    ("field", "status"),
    [
        ("schedule_delivery_time", CommandStatus.ESME_RINVSCHED),
        ("validity_period", CommandStatus.ESME_RINVEXPIRY),
    ],
)
def test_a_time_that_cannot_be_read_has_its_fields_own_status(field: str, status: CommandStatus) -> None:
    with pytest.raises(BadTime) as raised:
        lifetime(SubmitSm(**{field: b"tomorrow"}), NOW_MS, HOUR_MS)
    assert raised.value.status == status
