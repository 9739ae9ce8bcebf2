"""Logs: structlog over stdlib logging, one JSON object a line in a bounded file, short text on stderr.

Every record, whoever made it, passes the number filter. Fields: time (ISO 8601, UTC), level, file, line,
message, then what the caller gave as key=value.
"""

import datetime
import json
import logging
import logging.handlers
import os
import sys
import threading
from collections.abc import MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import structlog

from foundation.numbers import mask, mask_text

FILE_BYTES_MAX = 32 << 20
FILES_KEPT = 5
MESSAGE_MAX = 16_384
"""Characters of a message, a value or a traceback; the rest is cut."""

_PRODUCT = f"{Path(__file__).resolve().parents[1]}{os.sep}"
_FIELDS = "_ascs_fields"
_OWN = ("time", "level", "file", "line", "message")
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}

Logger = structlog.stdlib.BoundLogger


def setup(component: str, directory: Path, level: str = "INFO") -> None:
    """Send the process's logs to `<directory>/<component>.log` and, in short, to stderr.

    May be called again; the earlier handlers are closed. Exceptions that nobody catches are logged, and
    so filtered, too. Raises ValueError for an unknown level, OSError.
    """
    root = logging.getLogger()
    root.setLevel(level)
    directory.mkdir(parents=True, exist_ok=True)
    for handler in list(root.handlers):
        if isinstance(handler, _File | _Text):
            root.removeHandler(handler)
            handler.close()
    root.addHandler(_File(directory / f"{component}.log"))
    root.addHandler(_Text(component))
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, _to_stdlib],
        wrapper_class=Logger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def get_logger(name: str) -> Logger:
    """A logger whose methods take a message and key=value pairs."""
    logger: Logger = structlog.stdlib.get_logger(name)
    return logger


def _to_stdlib(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> tuple[tuple[str], dict[str, Any]]:
    message = str(event.pop("event", ""))
    passed = {name: event.pop(name) for name in ("exc_info", "stack_info", "stacklevel") if name in event}
    return (message,), {**passed, "extra": {_FIELDS: dict(event)}}


def _message(record: logging.LogRecord) -> str:
    try:
        return mask_text(record.getMessage())[:MESSAGE_MAX]
    except Exception:  # arguments that do not fit their format: show both, since a log must not fail
        return mask_text(f"{record.msg} {record.args}")[:MESSAGE_MAX]


def _described(record: logging.LogRecord) -> dict[str, Any]:
    """What the caller gave, and the traceback, filtered."""
    fields: dict[str, Any] = {}
    for name, value in getattr(record, _FIELDS, {}).items():
        masked = mask(value)
        fields[f"{name}_" if name in _OWN else name] = (
            masked[:MESSAGE_MAX] if isinstance(masked, str) else masked
        )
    if record.exc_info and record.exc_info[0] is not None:
        # The end of a traceback says what went wrong.
        text = logging.Formatter().formatException(record.exc_info)
        fields["exception"] = mask_text(text)[-MESSAGE_MAX:]
    if record.stack_info:
        fields["stack"] = mask_text(record.stack_info)[-MESSAGE_MAX:]
    return fields


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        time = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line = {
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "file": record.pathname.removeprefix(_PRODUCT),
            "line": record.lineno,
            "message": _message(record),
            **_described(record),
        }
        return json.dumps(line, ensure_ascii=False, default=str)


class _TextFormatter(logging.Formatter):
    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        fields = _described(record)
        exception = fields.pop("exception", "")
        parts = [time, record.levelname, self._component, _message(record)]
        parts += [f"{name}={value}" for name, value in fields.items()]
        # One record, one line: what a peer sent must not draw lines of its own.
        line = " ".join(parts).translate(_CONTROL)
        return f"{line}\n{exception}" if exception else line


class _File(logging.handlers.RotatingFileHandler):
    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=FILE_BYTES_MAX, backupCount=FILES_KEPT, encoding="utf-8")
        self.setFormatter(_JsonFormatter())

    def _open(self) -> Any:
        return open(
            self.baseFilename,
            self.mode,
            encoding="utf-8",
            errors="backslashreplace",
            opener=lambda path, flags: os.open(path, flags, 0o600),
        )

    def shouldRollover(self, record: logging.LogRecord) -> int:
        # stdlib formats each record a second time to know its length; one record past the cap is no harm.
        return int(self.stream is not None and self.stream.tell() >= self.maxBytes)

    def handleError(self, record: logging.LogRecord) -> None:
        _say_lost(record)


class _Text(logging.StreamHandler[TextIO]):
    def __init__(self, component: str) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(_TextFormatter(component))

    def handleError(self, record: logging.LogRecord) -> None:
        _say_lost(record)


def _say_lost(record: logging.LogRecord) -> None:
    """stdlib would print the record's arguments, unfiltered."""
    try:
        sys.stderr.write(f"a log record of {record.name} line {record.lineno} was lost\n")
    except (OSError, ValueError):
        return  # nobody listens any more


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger(__name__).critical("uncaught exception", exc_info=(kind, error, traceback))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
