"""Max-Forwards across two legs."""

from __future__ import annotations

import pytest

from sip.loops import next_max_forwards
from tests.sip.wire import request_of, request_text


@pytest.mark.parametrize(
    ("value", "left"), [("70", 69), ("1", 0), ("0", None), ("255", 70), ("71", 70), (None, 70), ("x", 70)]
)
def test_each_leg_has_one_hop_less(value: str | None, left: int | None) -> None:
    request = request_of(request_text("INVITE"))
    request.remove("Max-Forwards")
    if value is not None:
        request.add("Max-Forwards", value)
    assert next_max_forwards(request) == left
