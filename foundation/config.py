"""Configuration from TOML files into pydantic models, with errors that name file, line and key."""

import re
import tomllib
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, ValidationInfo

from foundation.toml_lines import key_lines, line_of

CONFIG_MAX = 4 << 20
"""Bytes of a configuration file."""

_FOLDER = "folder"


class Config(BaseModel):
    """Base for configuration models: unknown keys are errors, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


M = TypeVar("M", bound=BaseModel)


def _from_folder(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get(_FOLDER)
    return path if folder is None else folder / path


ConfigPath = Annotated[Path, AfterValidator(_from_folder)]
"""A path in a configuration file; a relative one, given or a Config's default, starts at the file's folder."""


class ConfigError(Exception):
    """One fault in a configuration file; `str` is "FILE:LINE: KEY: reason". Values are never quoted, since
    a password may be one."""

    def __init__(self, path: Path, line: int, key: str, reason: str) -> None:
        super().__init__(path, line, key, reason)
        self.path = path
        self.line = line
        self.key = key
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.key}: {self.reason}"


def load(path: Path, model: type[M]) -> M:
    """Read the TOML file at `path` into `model`. Raises ConfigError for the first fault in the file."""
    loaded, errors = _load(path, model)
    if loaded is None:
        raise errors[0]
    return loaded


def check(path: Path, model: type[BaseModel]) -> list[ConfigError]:
    """All faults of the file at `path`, in the order of its lines."""
    return _load(path, model)[1]


def _load(path: Path, model: type[M]) -> tuple[M | None, list[ConfigError]]:
    try:
        with path.open("rb") as file:
            raw = file.read(CONFIG_MAX + 1)
        if len(raw) > CONFIG_MAX:
            return None, [ConfigError(path, 1, "file", f"larger than {CONFIG_MAX} bytes")]
        text = raw.decode().replace("\r\n", "\n")
    except OSError as error:
        return None, [ConfigError(path, 1, "file", error.strerror or "cannot be read")]
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return None, [ConfigError(path, line, "file", "not UTF-8")]
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return None, [_syntax_error(path, text, error)]
    try:
        folder = path.absolute().parent
        return model.model_validate(values, extra="forbid", context={_FOLDER: folder}), []
    except ValidationError as error:
        return None, _validation_errors(path, text, error)


def _syntax_error(path: Path, text: str, error: tomllib.TOMLDecodeError) -> ConfigError:
    lines = text.split("\n")
    position = re.search(r"\(at line (\d+), column \d+\)$", str(error))
    # tomllib says "(at end of document)" where something was left open.
    line = int(position[1]) if position else len(text.rstrip().split("\n"))
    # Only what stands where a key stands: another line may be part of a value.
    named = re.match(r"\s*\[{0,2}([\w.\"' -]+?)\s*(?:=|\])", lines[line - 1]) if line <= len(lines) else None
    key = named[1] if named else ""
    reason = re.sub(r" \(at [^)]*\)$", "", str(error))
    reason = re.sub(r"Cannot overwrite a value|Cannot declare .* twice", "key is given twice", reason)
    return ConfigError(path, line, key or "syntax", reason)


def _validation_errors(path: Path, text: str, error: ValidationError) -> list[ConfigError]:
    lines = key_lines(text)
    faults: list[ConfigError] = []
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        location = detail["loc"]
        line, found = line_of(lines, location)
        missing = detail["type"] == "missing"
        key = _dotted((*found, location[-1]) if missing else found or location)
        reason = {"missing": "is required", "extra_forbidden": "unknown key"}.get(
            detail["type"], detail["msg"].removeprefix("Value error, ")
        )
        faults.append(ConfigError(path, line, key or "file", reason))
    return sorted(faults, key=lambda fault: fault.line)


def _dotted(location: tuple[str | int, ...]) -> str:
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
