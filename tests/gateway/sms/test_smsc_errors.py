"""What a status means: the shipped table, one SMSC's own rules before those for all, and the file's checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from foundation.config import ConfigError, check, load
from gateway.sms.smsc_errors import (
    BUILT_IN,
    RULES_MAX,
    Action,
    ErrorFile,
    SmscErrors,
    Verdict,
    check_distinct,
    load_errors,
)
from smpp.constants import CommandStatus

FILE = Path(__file__).parents[3] / "config" / "smsc-errors.toml"
SHIPPED = load(FILE, ErrorFile)
ERRORS = [status for status in CommandStatus if status != CommandStatus.ESME_ROK]


def rule(code: int, action: str = "transient", **fields: Any) -> dict[str, Any]:
    return {"code": code, "action": action, "reason": "as agreed"} | fields


def errors(**fields: Any) -> SmscErrors:
    return SmscErrors(ErrorFile.model_validate(fields))


def action(table: SmscErrors, status: int, smsc: str = "north") -> Action:
    return table.classify(smsc, status).action


class TestTheShippedFile:
    def test_it_has_no_fault(self) -> None:
        assert check(FILE, ErrorFile) == []

    @pytest.mark.parametrize("status", ERRORS, ids=lambda status: status.name)
    def test_every_status_of_the_specification_is_in_it(self, status: CommandStatus) -> None:
        assert load_errors(FILE, []).classify("smsc", status).reason != "not in the table"

    def test_names_and_codes_agree(self) -> None:
        named = {each.name: each.code for each in SHIPPED.status if each.last is None}
        assert named == {name: CommandStatus[name].value for name in named}

    def test_every_line_has_its_reason(self) -> None:
        assert all(each.name and each.reason for each in SHIPPED.status)

    @given(st.integers(1, 0xFFFF_FFFF) | st.integers(1, 0x600))
    def test_it_says_what_holds_without_it(self, status: int) -> None:
        shipped, built_in = (
            load_errors(FILE, []).classify("smsc", status),
            load_errors(None, []).classify("smsc", status),
        )
        assert (shipped.action, shipped.retry_after_s) == (built_in.action, built_in.retry_after_s)

    @pytest.mark.parametrize(
        ("status", "means"),
        [
            (CommandStatus.ESME_RTHROTTLED, Action.THROTTLE),
            (CommandStatus.ESME_RMSGQFUL, Action.THROTTLE),
            (CommandStatus.ESME_RSYSERR, Action.TRANSIENT),
            (CommandStatus.ESME_RINVBNDSTS, Action.LINK),
            (CommandStatus.ESME_RINVDSTADR, Action.PERMANENT),
            (0x04AB, Action.PERMANENT),
            (0x0001_0000, Action.PERMANENT),
        ],
    )
    def test_what_some_of_them_mean(self, status: int, means: Action) -> None:
        assert action(load_errors(FILE, []), status) is means


class TestClassify:
    def test_a_status_that_no_line_names_gets_the_default(self) -> None:
        assert errors().classify("north", 0x45) == Verdict(Action.PERMANENT, "not in the table")
        assert action(errors(default="transient"), 0x45) is Action.TRANSIENT

    def test_reason_and_pause_come_with_it(self) -> None:
        table = errors(status=[rule(0x45, retry_after_s=30.0)])
        assert table.classify("north", 0x45) == Verdict(Action.TRANSIENT, "as agreed", 30.0)

    def test_a_range_takes_both_its_ends_and_a_code_is_an_exception_from_it(self) -> None:
        table = errors(status=[rule(0x400, last=0x4FF), rule(0x401, "link")])
        assert [action(table, status) for status in (0x3FF, 0x400, 0x401, 0x4FF, 0x500)] == [
            Action.PERMANENT, Action.TRANSIENT, Action.LINK, Action.TRANSIENT, Action.PERMANENT,
        ]  # fmt: skip

    def test_an_smscs_own_rules_come_first_even_by_a_range(self) -> None:
        table = errors(
            status=[rule(0x45, "permanent"), rule(0x58, "throttle")],
            smsc={"north": {"status": [rule(0x40, last=0x4F)]}},
        )
        assert action(table, 0x45, "north") is Action.TRANSIENT
        assert action(table, 0x45, "south") is Action.PERMANENT
        assert action(table, 0x58, "north") is Action.THROTTLE

    def test_an_smscs_own_default_is_for_what_nothing_names(self) -> None:
        table = errors(status=[rule(0x45, "permanent")], smsc={"north": {"default": "link"}})
        assert action(table, 0x45, "north") is Action.PERMANENT
        assert action(table, 0x46, "north") is Action.LINK
        assert action(table, 0x46, "south") is Action.PERMANENT


class TestChecks:
    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"status": [rule(0x45), rule(0x45)]}, "code 0x45 is there twice"),
            ({"status": [rule(0x400, last=0x4FF), rule(0x480, last=0x500)]}, "two ranges contain 0x480"),
            ({"smsc": {"north": {"status": [rule(0x45), rule(0x45)]}}}, "code 0x45 is there twice"),
            ({"status": [rule(0x45, last=0x45)]}, "last must be above code"),
            ({"status": [rule(0x45, "permanent", retry_after_s=1.0)]}, "retry_after_s is for"),
            ({"status": [rule(0)]}, "greater than or equal to 1"),
            ({"status": [rule(0x45, "again")]}, "Input should be 'permanent'"),
            ({"status": [{"code": 0x45, "action": "link"}]}, "Field required"),
            ({"default": "again"}, "Input should be 'permanent'"),
            ({"status": [rule(code) for code in range(1, RULES_MAX + 2)]}, "at most 2000"),
        ],
    )
    def test_what_is_wrong_is_said(self, fields: dict[str, Any], reason: str) -> None:
        with pytest.raises(ValidationError, match=reason):
            ErrorFile.model_validate(fields)

    def test_ranges_that_touch_do_not_overlap(self) -> None:
        assert (
            check_distinct(ErrorFile.model_validate({"status": [rule(1, last=2), rule(3, last=4)]}).status)
            is None
        )
        assert check_distinct(BUILT_IN.status) is None

    def test_a_fault_in_the_file_is_named_by_its_line(self, tmp_path: Path) -> None:
        file = tmp_path / "smsc-errors.toml"
        file.write_text(
            'default = "permanent"\nstatus = [\n  { code = 0x45, action = "again", reason = "r" },\n]\n'
        )
        with pytest.raises(ConfigError, match=r"smsc-errors\.toml:3: status\[0\]\.action"):
            load_errors(file, [])

    def test_rules_for_an_smsc_that_does_not_exist_are_a_fault(self, tmp_path: Path) -> None:
        file = tmp_path / "smsc-errors.toml"
        file.write_text('[smsc.north]\ndefault = "link"\n\n[smsc.nroth]\ndefault = "link"\n')
        assert action(load_errors(file, ["north", "nroth"]), 0x45) is Action.LINK
        with pytest.raises(ConfigError, match=r"smsc-errors\.toml:4: smsc\.nroth: no SMSC has this name"):
            load_errors(file, ["north"])
