"""Who may send what (3.4, table 2-1): the table itself."""

from __future__ import annotations

import pytest

from smpp.constants import RESPONSE_BIT, CommandId
from smpp.states import BOUND, BOUND_BY, SessionState, may_send


@pytest.mark.parametrize("state", [SessionState.UNBOUND, SessionState.CLOSED])
def test_after_the_end_nobody_sends(state: SessionState) -> None:
    assert not any(may_send(role, command, state) for role in ("esme", "mc") for command in CommandId)


@pytest.mark.parametrize("state", SessionState)
def test_binds_come_before_everything_else(state: SessionState) -> None:
    first = state in (SessionState.OPEN, SessionState.OUTBOUND)
    for command in BOUND_BY:
        assert may_send("esme", command, state) is first
        assert not may_send("mc", command, state)
    assert may_send("esme", CommandId.UNBIND, state) is (state in BOUND)
    assert may_send("mc", CommandId.UNBIND, state) is (state in BOUND)


def test_every_request_has_a_sender() -> None:
    for command in CommandId:
        if not command & RESPONSE_BIT:
            assert any(may_send(role, command, state) for role in ("esme", "mc") for state in SessionState)


def test_an_unknown_command_is_nobodys() -> None:
    assert not may_send("esme", 0x777, SessionState.BOUND_TRX)
