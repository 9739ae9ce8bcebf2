"""`ascs config check`: every fault by file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ascs.commands.cli import CONFIG, ascs, done


@pytest.mark.parametrize("file", sorted(CONFIG.glob("*.toml")), ids=lambda file: file.name)
def test_the_examples_have_no_fault(file: Path) -> None:
    assert "no fault found" in done("config", "check", file)


def test_each_fault_is_named_by_file_line_and_key(gateway_file: Path) -> None:
    text = gateway_file.read_text()
    gateway_file.write_text(text.replace('"10690000"', '"+10690000"') + "\n[smpp]\nport = 70000\nprot = 1\n")
    lines = gateway_file.read_text().splitlines()
    result = ascs("config", "check", gateway_file)
    assert result.exit_code == 1
    for key, line in (
        ("confirm.access_number", lines.index('access_number = "+10690000"') + 1),
        ("smpp.port", lines.index("port = 70000") + 1),
        ("smpp.prot", lines.index("prot = 1") + 1),
    ):
        assert f"{gateway_file}:{line}: {key}: " in result.output


def test_a_secret_is_not_repeated(gateway_file: Path) -> None:
    gateway_file.write_text(gateway_file.read_text().replace('"secret"', '"far too long"'))
    result = ascs("config", "check", gateway_file)
    assert result.exit_code == 1
    assert "smsc[0].password" in result.output
    assert "far too long" not in result.output


def test_a_syntax_error_is_named_by_its_line(tmp_path: Path) -> None:
    file = tmp_path / "core.toml"
    file.write_text('host = "127.0.0.1"\nport = \n')
    result = ascs("config", "check", file)
    assert result.exit_code == 1
    assert f"{file}:2: port: " in result.output


def test_a_file_of_any_name_is_known_by_its_keys_or_by_what_is_said(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text((CONFIG / "smsc.toml").read_text())
    done("config", "check", file)
    file.write_text("")
    assert ascs("config", "check", file).exit_code == 2
    assert ascs("config", "check", file, "--kind", "smsc").exit_code == 1


def test_a_process_does_not_start_with_a_fault(gateway_file: Path) -> None:
    gateway_file.write_text('data_dir = "."\n')
    result = ascs("gateway", "run", gateway_file)
    assert result.exit_code == 1
    assert f"{gateway_file}:1: " in result.output
    assert "is required" in result.output


@pytest.mark.usefixtures("own_logs")
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('default = "again"\n', ":1: default: "),
        ('[smsc.nroth]\ndefault = "link"\n', ":1: smsc.nroth: no SMSC has this name"),
        (None, ":1: file: No such file or directory"),
    ],
)
def test_the_table_of_smsc_errors_is_checked_with_the_gateways_file(
    gateway_file: Path, content: str | None, said: str
) -> None:
    table = gateway_file.with_name("smsc-errors.toml")
    gateway_file.write_text(f'smsc_errors = "{table.name}"\n' + gateway_file.read_text())
    if content is not None:
        table.write_text(content)
    for command in (("config", "check"), ("gateway", "run")):
        result = ascs(*command, gateway_file)
        assert result.exit_code == 1
        assert f"{table}{said}" in result.output


def test_the_table_of_smsc_errors_is_known_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "smsc-errors.toml"
    file.write_text('default = "transient"\n')
    done("config", "check", file)
    file.write_text("default = 1\n")
    assert f"{file}:1: default: " in ascs("config", "check", file).output


def test_the_list_of_words_is_checked_with_the_gateways_file(gateway_file: Path) -> None:
    words = gateway_file.parent / "words.txt"
    gateway_file.write_text(gateway_file.read_text() + f'\n[sms]\nsensitive_words = "{words.name}"\n')
    result = ascs("config", "check", gateway_file)
    assert (result.exit_code, "sensitive_words: No such file" in result.output) == (1, True)
    words.write_text("casino\n")
    assert ascs("config", "check", gateway_file).exit_code == 0
