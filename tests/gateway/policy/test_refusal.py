"""What each case looks like on the wire."""

from gateway.policy.refusal import ANSWERS, Case
from smpp.constants import CommandStatus


def test_every_case_has_an_answer() -> None:
    assert set(ANSWERS) == set(Case)


def test_the_smpp_statuses() -> None:
    assert {case: answer.smpp for case, answer in ANSWERS.items() if answer.smpp is not None} == {
        Case.AID_REFUSED: CommandStatus.ESME_RINVDSTADR,
        Case.ACCESS_NUMBER: CommandStatus.ESME_RINVSRCADR,
        Case.NOT_AVAILABLE: CommandStatus.ESME_RTHROTTLED,
        Case.CREDENTIALS: CommandStatus.ESME_RBINDFAIL,
        Case.BINDS: CommandStatus.ESME_RALYBND,
    }


def test_the_sip_statuses() -> None:
    assert {case: answer.sip for case, answer in ANSWERS.items() if answer.sip is not None} == {
        Case.AID_REFUSED: 404,
        Case.ACCESS_NUMBER: 403,
        Case.CONTENT: 488,
        Case.NOT_AVAILABLE: 503,
        Case.CREDENTIALS: 403,
        Case.CALLS: 503,
    }


def test_what_says_503_says_when_to_come_back() -> None:
    assert all(answer.retry_after_s for answer in ANSWERS.values() if answer.sip == 503)
