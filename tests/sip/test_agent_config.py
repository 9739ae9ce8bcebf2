"""What a configuration may say."""

from __future__ import annotations

import pytest

from sip.agent_config import AgentConfig


def test_option_tags_follow_from_what_is_switched_on() -> None:
    assert AgentConfig().option_tags == ()
    config = AgentConfig(supported=("path",), reliable_provisional="supported", session_expires=1800)
    assert config.option_tags == ("path", "100rel", "timer")


@pytest.mark.parametrize(
    ("name", "value"), [("reliable_provisional", "yes"), ("min_se", 60), ("session_expires", 80)]
)
def test_what_cannot_be_is_refused(name: str, value: object) -> None:
    """RFC 4028 4: no session interval below 90 seconds."""
    with pytest.raises(ValueError, match=name):
        AgentConfig(**{name: value})  # type: ignore[arg-type]
