"""What a session may be set to: windows and timers within their bounds."""

import pytest

from smpp.config import INBOUND_WINDOW_MAX, OUTBOUND_WINDOW_MAX, SessionConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("outbound_window", 0),
        ("outbound_window", OUTBOUND_WINDOW_MAX + 1),
        ("inbound_window", 0),
        ("inbound_window", INBOUND_WINDOW_MAX + 1),
        ("session_init_s", -1.0),
        ("enquire_link_s", -1.0),
        ("inactivity_s", -0.1),
        ("response_s", 0.0),
    ],
)
def test_what_is_out_of_bounds_is_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError):
        SessionConfig(**{field: value})  # type: ignore[arg-type]


def test_timers_may_be_switched_off_but_a_request_is_not_awaited_for_ever() -> None:
    config = SessionConfig(session_init_s=0, enquire_link_s=0, inactivity_s=0)
    assert config.response_s > 0
