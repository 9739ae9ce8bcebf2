"""A test whose peer is missing is named at the end of the run, and fails under CI."""

from pathlib import Path

import pytest

from tests.conftest import PEERS_FILE, read_peers

pytest_plugins = ["pytester"]

TESTS = """
import pytest

@pytest.mark.peer("no-such-program")
def test_with_a_missing_peer():
    raise AssertionError

@pytest.mark.peer("sh")
def test_with_a_present_peer():
    pass

@pytest.mark.peer("unlisted")
def test_with_an_unlisted_peer():
    pass
"""

INI = """
[pytest]
asyncio_default_fixture_loop_scope = function
markers = peer(name)
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(TESTS)
    pytester.makeini(INI)
    pytester.makeconftest(Path(PEERS_FILE).with_name("conftest.py").read_text())
    pytester.path.joinpath("peers.txt").write_text(
        "# peers\nsome-package no-such-program\n\ndash sh # shell\n"
    )
    return pytester


def test_a_missing_peer_is_skipped_and_named(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    result = project.runpytest_inprocess()
    result.assert_outcomes(passed=1, skipped=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*skipped for want of a peer*",
            "no-such-program: apt-get install some-package",
            "*::test_with_a_missing_peer",
        ]
    )
    result.stdout.fnmatch_lines(["*unlisted is not listed in tests/peers.txt*"])


def test_a_missing_peer_fails_under_ci(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    result = project.runpytest_inprocess()
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["*needs no-such-program (Debian package some-package)*"])


def test_the_list_itself_is_well_formed() -> None:
    assert read_peers(PEERS_FILE.read_text())["sipp"] == "sip-tester"
