"""What an SMSC's refusal means for the message and for the link, by a table that an operator can edit.

`config/smsc-errors.toml` is that table, with a reason beside each status of SMPP 3.4 and 5.0. Without a file
`BUILT_IN` decides, which says the same. Nothing here is asked about a message that was taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Final, Self

from pydantic import Field, model_validator

from foundation.config import Config, ConfigError, load
from foundation.toml_lines import key_lines, line_of
from smpp.constants import CommandStatus as Status

RULES_MAX: Final = 2_000
"""Lines of one section of the file."""
SECTIONS_MAX: Final = 64


class Action(StrEnum):
    """What to do about a submit_sm that was answered with an error."""

    PERMANENT = "permanent"
    """The same message will be refused again: its end is REJECTED."""
    TRANSIENT = "transient"
    """Try again, later and later, until its validity ends."""
    THROTTLE = "throttle"
    """As transient, and the link slows down."""
    LINK = "link"
    """The fault is the link's, not the message's: try another link at once."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one status of one SMSC means."""

    action: Action
    reason: str
    retry_after_s: float | None = None
    """At least so long before the message is tried again; for THROTTLE, before the link sends anything."""


class Rule(Config):
    """One status, or all from `code` to `last`."""

    code: int = Field(ge=1, le=0xFFFF_FFFF)
    last: int | None = Field(default=None, ge=1, le=0xFFFF_FFFF)
    name: str = Field(default="", max_length=64)
    action: Action
    reason: str = Field(min_length=1, max_length=200)
    retry_after_s: float | None = Field(default=None, gt=0, le=86_400)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.last is not None and self.last <= self.code:
            raise ValueError("last must be above code")
        if self.retry_after_s is not None and self.action not in (Action.TRANSIENT, Action.THROTTLE):
            raise ValueError("retry_after_s is for transient and throttle")
        return self


class Section(Config):
    """Rules that hold for one SMSC alone, before those for all."""

    default: Action | None = None
    status: tuple[Rule, ...] = Field(default=(), max_length=RULES_MAX)

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_distinct(self.status)
        return self


class ErrorFile(Config):
    """The whole file. It alone decides: a line taken out leaves its status to the default."""

    default: Action = Action.PERMANENT
    status: tuple[Rule, ...] = Field(default=(), max_length=RULES_MAX)
    smsc: dict[str, Section] = Field(default_factory=dict, max_length=SECTIONS_MAX)

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_distinct(self.status)
        return self


def check_distinct(rules: Iterable[Rule]) -> None:
    """Raises ValueError when a code has two rules, or two ranges overlap. A code within a range is an exception
    from it."""
    codes: set[int] = set()
    ranges: list[tuple[int, int]] = []
    for rule in rules:
        if rule.last is None:
            if rule.code in codes:
                raise ValueError(f"code 0x{rule.code:X} is there twice")
            codes.add(rule.code)
        else:
            ranges.append((rule.code, rule.last))
    ranges.sort()
    for (_, last), (first, _) in pairwise(ranges):
        if first <= last:
            raise ValueError(f"two ranges contain 0x{first:X}")


BUILT_IN: Final = ErrorFile(
    status=tuple(
        Rule(code=status, action=action, reason=reason, retry_after_s=retry_after_s)
        for status, action, reason, retry_after_s in (
            (Status.ESME_RINVCMDID, Action.LINK, "the SMSC takes no submit_sm on this bind", None),
            (Status.ESME_RINVBNDSTS, Action.LINK, "the SMSC does not think us bound for sending", None),
            (Status.ESME_RALYBND, Action.LINK, "bind state is in disorder", None),
            (Status.ESME_RSYSERR, Action.TRANSIENT, "the SMSC's own trouble", None),
            (Status.ESME_RBINDFAIL, Action.LINK, "bind state is in disorder", None),
            (Status.ESME_RINVPASWD, Action.LINK, "the account is not accepted", None),
            (Status.ESME_RINVSYSID, Action.LINK, "the account is not accepted", None),
            (Status.ESME_RMSGQFUL, Action.THROTTLE, "the SMSC's queue is full", None),
            (Status.ESME_RINVSYSTYP, Action.LINK, "the account is not accepted", None),
            (Status.ESME_RTHROTTLED, Action.THROTTLE, "faster than allowed", None),
            (Status.ESME_RX_T_APPN, Action.TRANSIENT, "temporary by its name", None),
            (Status.ESME_RUNKNOWNERR, Action.TRANSIENT, "no cause told", None),
            (Status.ESME_RSERTYPUNAVAIL, Action.TRANSIENT, "the service is away for now", 60.0),
        )
    )
)
"""What holds without a file: every status that is not permanent."""


class _Table:
    """Rules by status: a code before a range."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._codes: dict[int, Verdict] = {}
        self._ranges: list[tuple[int, int, Verdict]] = []
        for rule in rules:
            verdict = Verdict(rule.action, rule.reason, rule.retry_after_s)
            if rule.last is None:
                self._codes[rule.code] = verdict
            else:
                self._ranges.append((rule.code, rule.last, verdict))

    def find(self, status: int) -> Verdict | None:
        verdict = self._codes.get(status)
        if verdict is None:
            for first, last, of_range in self._ranges:
                if first <= status <= last:
                    return of_range
        return verdict


class SmscErrors:
    """The table, ready to be asked."""

    def __init__(self, file: ErrorFile = BUILT_IN) -> None:
        self._common = _Table(file.status)
        self._default = _unknown(file.default)
        self._own = {
            name: (_Table(section.status), _unknown(section.default) if section.default else self._default)
            for name, section in file.smsc.items()
        }

    def classify(self, smsc: str, status: int) -> Verdict:
        """What that command_status (not ESME_ROK) of a submit_sm_resp or generic_nack means.

        The SMSC's own code, its own range, the code for all, the range for all, the SMSC's default, the default.
        """
        own, default = self._own.get(smsc, (None, self._default))
        return (own.find(status) if own else None) or self._common.find(status) or default


def load_errors(path: Path | None, smscs: Collection[str]) -> SmscErrors:
    """The table in that file for the SMSCs of those names; the built-in one for None. Raises ConfigError."""
    if path is None:
        return SmscErrors()
    file = load(path, ErrorFile)
    for fault in check_names(path, smscs):
        raise fault
    return SmscErrors(file)


def check_names(path: Path, smscs: Collection[str]) -> list[ConfigError]:
    """A fault for each table in a file without other faults that is for an SMSC which does not exist."""
    lines = key_lines(path.read_text())
    return [
        ConfigError(path, line_of(lines, ("smsc", name))[0], f"smsc.{name}", "no SMSC has this name")
        for name in load(path, ErrorFile).smsc
        if name not in smscs
    ]


def _unknown(action: Action) -> Verdict:
    return Verdict(action, "not in the table")
