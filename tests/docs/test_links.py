"""What the pages point at is there."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from ascs.main import main
from gateway.records import metrics
from masking.smpp_options import OPTIONS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_files_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_configuration_files_that_are_named_exist(page: Path) -> None:
    named = set(re.findall(r"\bconfig/[\w-]+\.toml", page.read_text()))
    assert [name for name in named if not (ROOT / name).is_file()] == []


def command_paths(group: click.Group, prefix: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    paths: set[tuple[str, ...]] = set()
    for name in group.list_commands(context := click.Context(group)):
        command = group.get_command(context, name)
        assert command is not None
        path = (*prefix, name)
        paths |= command_paths(command, path) if isinstance(command, click.Group) else {path}
    return paths


def test_the_operators_page_names_every_command() -> None:
    page = (ROOT / "docs" / "operate.md").read_text()
    named: set[tuple[str, ...]] = set()
    for line in re.findall(r"^\| `ascs ([^`]+)` \|", page, re.MULTILINE):
        words = re.sub(r"\b(CONFIG|MSISDN) (?=[a-z])", "", line.replace("\\|", "|")).split()
        path: tuple[str, ...] = ()
        for word in words:
            if not re.fullmatch(r"[a-z][a-z|-]*", word):
                break
            if "|" in word:
                named |= {(*path, each) for each in word.split("|")}
                path = ()
                break
            path = (*path, word)
        if path:
            named.add(path)
    assert named == command_paths(main)


def test_the_operators_page_names_every_content_option_with_its_effect() -> None:
    page = (ROOT / "docs" / "operate.md").read_text()
    _, table = page.split("| `--content` | allows a message that |\n|---|---|\n")
    named = dict(re.findall(r"^\| `([\w-]+)` \| (.+) \|$", table.split("\n\n")[0], re.MULTILINE))
    assert named == {name: option.effect for name, option in OPTIONS.items()}


def test_the_operators_page_names_every_metric() -> None:
    page = (ROOT / "docs" / "operate.md").read_text()
    named = set(re.findall(r"^\| `(ascs_\w+?)(?:\{[^}]*\})?` \|", page, re.MULTILINE))
    exported = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in metrics.REGISTRY.collect()
    }
    assert named == exported
