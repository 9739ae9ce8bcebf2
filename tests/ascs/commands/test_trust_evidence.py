"""`ascs trust evidence`: an AID that nothing is on record about."""

from pathlib import Path

from tests.ascs.commands.cli import ascs, done


def test_it_says_that_nothing_is_on_record(trust_file: Path) -> None:
    done("trust", "init", trust_file)
    result = ascs("trust", "evidence", trust_file, "888132341582397708", "--case", "case-1")
    assert (result.exit_code, "nothing is on record" in result.output) == (1, True)
    assert ascs("trust", "evidence", trust_file, "888132341582397708").exit_code == 2
