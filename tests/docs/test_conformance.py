"""docs/conformance.md: every requirement has its row, and every test that a row names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "conformance.md").read_text()

REQUIREMENTS = {"E": 13, "T": 12, "C": 7, "N": 6, "S": 5}
"""How many requirements the standard has for enterprise, trust party, carrier, operation and security."""
IDS = [f"{letter}{number}" for letter, last in REQUIREMENTS.items() for number in range(1, last + 1)]
STATES = {"done", "partly", "not yet"}

_NAMED = re.compile(r"`(tests/[\w/]+\.py)((?:::\w+)*)`")


def rows() -> dict[str, list[str]]:
    """Cells of each requirement's row: clause, state, module, tests, missing."""
    found: dict[str, list[str]] = {}
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(r"[A-Z][0-9]{1,2}", cells[0]):
            assert cells[0] not in found, f"{cells[0]} is there twice"
            found[cells[0]] = cells[1:]
    return found


@cache
def names_in(path: Path) -> frozenset[str]:
    """What a test file defines: "test_x", and "TestX::test_x" for those in classes."""
    tree = ast.parse(path.read_text())
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            names.add(node.name)
            names |= {
                f"{node.name}::{each.name}"
                for each in node.body
                if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return frozenset(names)


def test_every_requirement_has_its_row_in_order() -> None:
    assert list(rows()) == IDS


@pytest.mark.parametrize("row", IDS)
def test_a_row_is_whole(row: str) -> None:
    clause, state, module, tests, missing = rows()[row]
    assert re.fullmatch(r"[0-9](\.[0-9])*", clause)
    assert state in STATES
    assert state == "done" or missing, "says what is missing"
    assert state == "not yet" or (module and _NAMED.search(tests)), "names module and test"


def test_every_named_test_exists() -> None:
    named = _NAMED.findall(PAGE)
    assert len(named) > len(IDS)
    unknown = [
        f"{file}{test}"
        for file, test in named
        if not (ROOT / file).is_file() or (test and test.removeprefix("::") not in names_in(ROOT / file))
    ]
    assert not unknown


def test_every_named_module_exists() -> None:
    modules = {name for cells in rows().values() for name in re.findall(r"`([^`]+)`", cells[2])}
    assert [name for name in modules if not (ROOT / name).exists()] == []
