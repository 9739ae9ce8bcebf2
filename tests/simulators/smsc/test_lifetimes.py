"""schedule_delivery_time and validity_period, absolute and relative."""

import pytest

from simulators.smsc.lifetimes import BadTime, lifetime
from smpp.constants import CommandStatus
from smpp.pdu import SubmitSm
from tests.simulators.smsc.bench import EPOCH, HOUR

VALIDITY = 48 * HOUR


@pytest.mark.parametrize(
    ("schedule", "validity", "due", "expires"),
    [
        (b"", b"", 0, VALIDITY),
        (b"000000010000000R", b"", HOUR, HOUR + VALIDITY),
        (b"", b"000000010000000R", 0, HOUR),
        (b"260921151320000+", b"260921161320000+", HOUR, 2 * HOUR),
        (b"260921151320004+", b"", 0, VALIDITY),  # an hour ahead of UTC: now
        (b"", b"260921131320000+", 0, -HOUR),
    ],
)
def test_times_are_read_as_the_submitter_wrote_them(
    schedule: bytes, validity: bytes, due: int, expires: int
) -> None:
    body = SubmitSm(schedule_delivery_time=schedule, validity_period=validity)
    assert lifetime(body, EPOCH, VALIDITY) == (EPOCH + due, EPOCH + expires)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"schedule_delivery_time": b"tomorrow"}, CommandStatus.ESME_RINVSCHED),
        ({"validity_period": b"261399000000000+"}, CommandStatus.ESME_RINVEXPIRY),
    ],
)
def test_a_time_that_is_none_has_its_fields_own_status(fields: dict[str, bytes], status: int) -> None:
    with pytest.raises(BadTime) as bad:
        lifetime(SubmitSm(**fields), EPOCH, VALIDITY)
    assert bad.value.status == status
