"""A configuration error names the file, the line and the key at fault."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, field_validator, model_validator

from foundation.config import Config, ConfigError, ConfigPath, check, load
from foundation.toml_lines import key_lines


class Link(Config):
    host: str
    port: int = Field(ge=1, le=65535)
    tags: tuple[str, ...] = ()


class Store(BaseModel):
    """A plain model: its unknown keys are errors too."""

    path: ConfigPath = Field(default=Path("carrier.db"), validate_default=True)


class File(Config):
    kind: Literal["file"]
    path: ConfigPath


class Socket(Config):
    kind: Literal["socket"]
    port: int


class Gateway(Config):
    name: str
    password: str = "not-shown"
    store: Store = Store()
    links: tuple[Link, ...] = ()
    sink: Annotated[File | Socket, Field(discriminator="kind")] | None = None

    @field_validator("name")
    @classmethod
    def short(cls, name: str) -> str:
        if len(name) > 8:
            raise ValueError("is longer than 8 characters")
        return name

    @model_validator(mode="after")
    def one_host_each(self) -> "Gateway":
        if len({link.host for link in self.links}) != len(self.links):
            raise ValueError("two links have the same host")
        return self


def write(folder: Path, text: str) -> Path:
    path = folder / "gateway.toml"
    path.write_text(text)
    return path


def test_a_good_file_becomes_the_model_and_paths_start_at_its_folder(tmp_path: Path) -> None:
    path = write(tmp_path, 'name = "CMCC"\n[store]\npath = "data/a.db"\n[[links]]\nhost = "h"\nport = 2775\n')
    gateway = load(path, Gateway)
    assert gateway.store.path == tmp_path / "data/a.db"
    assert gateway.links == (Link(host="h", port=2775),)


def test_a_default_path_starts_at_the_files_folder_too(tmp_path: Path) -> None:
    assert load(write(tmp_path, "[store]\n"), _OnlyStore).store.path == tmp_path / "carrier.db"


class _OnlyStore(Config):
    store: Store


def test_an_absolute_path_stays(tmp_path: Path) -> None:
    path = write(tmp_path, '[store]\npath = "/var/lib/a.db"\n')
    assert load(path, _OnlyStore).store.path == Path("/var/lib/a.db")


@pytest.mark.parametrize(
    ("text", "line", "key", "reason"),
    [
        ('name = "a"\nname = "b"\n', 2, "name", "twice"),
        ("name = \n", 1, "name", "Invalid value"),
        ('name = "a\n', 1, "name", "Illegal character"),
        ('name = "a"\nlinks = [\n', 2, "links", ""),
        ('name = "far too long"\n', 1, "name", "is longer than 8 characters"),
        ('# a comment\n\nname = "a"\ncolour = "red"\n', 4, "colour", "unknown key"),
        ('name = "a"\n[store]\n# where\nfile = "x"\n', 4, "store.file", "unknown key"),
        ('[store]\npath = "x"\n', 1, "name", "is required"),
        (
            'name = "a"\n[[links]]\nhost = "h"\nport = 1\n[[links]]\nhost = "i"\nport = 70000\n',
            7,
            "links[1].port",
            "less than or equal to 65535",
        ),
        ('name = "a"\n\n[[links]]\nhost = "h"\n', 3, "links[0].port", "is required"),
        (
            'name = "a"\nlinks = [\n  {host = "h", port = 1}, # one\n  {host = "i", port = "x"},\n]\n',
            4,
            "links[1].port",
            "valid integer",
        ),
        (
            'name = "a"\n[[links]]\nhost = "h"\nport = 1\ntags = [\n "x",\n 5,\n]\n',
            7,
            "links[0].tags[1]",
            "valid string",
        ),
        ('name = "a"\nsink = {kind = "socket", port = "x"}\n', 2, "sink.port", "valid integer"),
        ('name = "a"\nsink.kind = "pipe"\n', 2, "sink", "does not match any of the expected tags"),
        (
            'name = "a"\n[[links]]\nhost = "h"\nport = 1\n[[links]]\nhost = "h"\nport = 2\n',
            1,
            "file",
            "two links have the same host",
        ),
        ('note = """\nname = 5\n"""\nname = "a"\n"a.b".c = 1\n', 1, "note", "unknown key"),
    ],
)
def test_the_fault_is_named(tmp_path: Path, text: str, line: int, key: str, reason: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path, Gateway)
    error = caught.value
    assert (error.path, error.line, error.key) == (path, line, key)
    assert reason in error.reason
    assert str(error) == f"{path}:{line}: {key}: {error.reason}"


def test_check_lists_every_fault_in_the_order_of_lines(tmp_path: Path) -> None:
    path = write(tmp_path, 'name = "a"\ncolour = 1\n[[links]]\nhost = 5\nport = 0\n')
    assert [(e.line, e.key) for e in check(path, Gateway)] == [
        (2, "colour"),
        (4, "links[0].host"),
        (5, "links[0].port"),
    ]
    assert check(write(tmp_path, 'name = "a"\n'), Gateway) == []


def test_values_are_never_quoted(tmp_path: Path) -> None:
    path = write(tmp_path, 'name = "a"\npassword = ["hunter2"]\n')
    with pytest.raises(ConfigError) as caught:
        load(path, Gateway)
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_missing_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.toml", Gateway)
    (tmp_path / "bad.toml").write_bytes(b'name = "a"\nx = "\xff"\n')
    with pytest.raises(ConfigError, match=r":2: file: not UTF-8"):
        load(tmp_path / "bad.toml", Gateway)


def test_lines_of_nested_tables_and_arrays_of_tables() -> None:
    text = "[[a]]\n[a.b]\nc = '''\nx\n'''\nd.e = 1\n[[a]]\n[[a.f]]\ng = [[1,\n2], [3]]\n[\"q r\".s]\nt=1\n"
    lines = key_lines(text)
    assert lines[("a", 0)] == 1
    assert lines[("a", 0, "b", "c")] == 3
    assert lines[("a", 0, "b", "d", "e")] == 6
    assert lines[("a", 1, "f", 0, "g")] == 9
    assert lines[("a", 1, "f", 0, "g", 0, 1)] == 10
    assert lines[("q r", "s", "t")] == 12
