"""Every module of the product has a test file of its own: tests/<folder>/test_<module>.py."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = (
    "ascs", "evidence", "foundation", "gateway", "gm", "interparty", "masking", "simulators", "sip", "smpp",
    "trust_client", "trust_party",
)  # fmt: skip

WITHOUT = {
    "ascs/__main__.py": "two lines; tests/ascs/test_main.py runs them",
    "gateway/voice/leg.py": "data without behaviour",
    "sip/events.py": "data without behaviour",
    "smpp/events.py": "data without behaviour",
    "smpp/errors.py": "exceptions without behaviour",
}
"""Modules that need no test file, and why. Revisions of a store's schema need none either: every test that
opens the store runs them, and tests/foundation/test_migrate.py tests the runner."""

ELSEWHERE = {
    "trust_party/key_records.py": (
        "tests/trust_party/test_key_operations.py",
        "what is on record of every operation",
    ),
    "interparty/key_house.py": (
        "tests/trust_party/test_key_operations.py",
        "with a real house; tests/e2e/test_key_rotation.py has both under load",
    ),
    "ascs/demo/regulator.py": ("tests/e2e/test_evidence_queries.py", "needs every party to run"),
    "gateway/sms/outgoing.py": (
        "tests/gateway/sms/test_dispatch.py",
        "what the dispatcher holds: a row and its frame",
    ),
    "gateway/sms/esme_session.py": (
        "tests/gateway/sms/test_front.py",
        "what the front needs of a session, data alone",
    ),
    "gateway/sms/own_sessions.py": (
        "tests/gateway/sms/test_front.py",
        "the front's sockets; TLS in test_front_tls.py, outbind in test_esme_outbind.py",
    ),
    "gateway/sms/server_tls.py": ("tests/gateway/sms/test_front_tls.py", "certificates over real sockets"),
    "gateway/sms/session_config.py": (
        "tests/gateway/sms/test_front.py",
        "an account's own timers before the configuration's",
    ),
    "gateway/sms_settings.py": ("tests/gateway/test_settings.py", "sections of one file"),
    "gateway/sms/submission.py": ("tests/gateway/sms/test_intake.py", "what the intake holds, data alone"),
    "sip/call_base.py": ("tests/sip/test_call.py", "one state machine, in three files by side"),
    "sip/call_callee.py": ("tests/sip/test_call.py", "one state machine, in three files by side"),
    "sip/call_caller.py": ("tests/sip/test_call.py", "one state machine, in three files by side"),
    "smpp/compiler.py": ("tests/smpp/test_codec.py", "parser and builder made from smpp/fields.py's kinds"),
    "smpp/composites.py": ("tests/smpp/test_codec.py", "the parts of PDUs that are lists"),
    "smpp/fields.py": ("tests/smpp/test_codec.py", "the kinds of field; the codec is made from them"),
    "smpp/gsm_tables.py": ("tests/smpp/test_gsm.py", "tables alone"),
    "simulators/core/settings.py": ("tests/simulators/test_config_files.py", "keys and defaults alone"),
    "simulators/enterprise/settings.py": (
        "tests/simulators/enterprise/test_process.py",
        "keys and defaults alone",
    ),
    "simulators/handsets/settings.py": ("tests/simulators/test_config_files.py", "keys and defaults alone"),
    "simulators/smsc/settings.py": ("tests/simulators/test_config_files.py", "keys and defaults alone"),
    "simulators/enterprise/api.py": ("tests/simulators/enterprise/test_process.py", "routes, over HTTP"),
    "simulators/enterprise/phone.py": (
        "tests/simulators/enterprise/test_process.py",
        "a phone needs a registrar and somebody to call",
    ),
    "simulators/handsets/api.py": ("tests/simulators/handsets/test_app.py", "routes, over HTTP"),
    "simulators/smsc/messages.py": (
        "tests/simulators/smsc/test_ledger.py",
        "rows are what the ledger keeps and gives back",
    ),
    "simulators/smsc/peers.py": ("tests/simulators/smsc/test_center.py", "an account while it is bound"),
    "simulators/smsc/phones.py": ("tests/simulators/smsc/test_center.py", "what a delivery brings about"),
    "simulators/smsc/queues.py": ("tests/simulators/smsc/test_center.py", "what the center hands to binds"),
    "trust_party/routes.py": ("tests/trust_party/test_app.py", "routes, over HTTPS with every party's keys"),
}
"""Modules that another file tests, and why; that file, or a module that it imports, must import them."""


def modules() -> list[str]:
    paths = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    return [
        str(path.relative_to(ROOT))
        for path in paths
        if path.name != "__init__.py" and "migrations" not in path.parts
    ]


def own_test_file(module: str) -> Path:
    path = Path(module)
    return ROOT / "tests" / path.parent / f"test_{path.name}"


@cache
def imports(path: Path) -> frozenset[str]:
    """The modules of product and tests that a file imports, as paths from the root."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
        found |= {f"{name.replace('.', '/')}.py" for name in names if name.split(".")[0] in (*ROOMS, "tests")}
    return frozenset(each for each in found if (ROOT / each).is_file())


def test_every_module_has_its_test_file() -> None:
    missing = [
        module
        for module in modules()
        if module not in WITHOUT and module not in ELSEWHERE and not own_test_file(module).is_file()
    ]
    assert missing == []


def test_every_exception_is_a_module_and_has_a_reason() -> None:
    known = set(modules())
    assert [module for module in (*WITHOUT, *ELSEWHERE) if module not in known] == []
    assert all(WITHOUT.values())
    assert all(reason for _, reason in ELSEWHERE.values())


@pytest.mark.parametrize("module", ELSEWHERE)
def test_what_is_tested_elsewhere_is_reached_from_there(module: str) -> None:
    file = ROOT / ELSEWHERE[module][0]
    reached = set(imports(file))
    for _ in range(2):
        reached |= {inner for each in tuple(reached) for inner in imports(ROOT / each)}
    assert module in reached
