"""`ascs sim`: simulators that speak the real protocols. Each is imported by its own command alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import BaseModel

from ascs.commands.common import CONFIG_FILE, load_settings, plain_errors, run_process
from simulators.smsc.dialect import PRESETS

M = TypeVar("M", bound=BaseModel)


@click.group()
def sim() -> None:
    """Simulators: SMSC, SIP core, handsets, an enterprise's systems."""


@sim.command()
@CONFIG_FILE
@click.option("--port", type=click.IntRange(0, 65535), help="SMPP port; 0 takes a free one.")
@click.option("--api-port", type=click.IntRange(0, 65535), help="Port of the control API.")
@click.option("--store", type=click.Choice(["disk", "memory"]), help="Where accepted messages are kept.")
@click.option(
    "--dialect", help=f"How ids and receipts are written: {', '.join(PRESETS)}, or one of CONFIG's."
)
@click.option("--seed", type=int, help="Of every draw: outcomes, delays, faults.")
@click.option(
    "--own-phones", is_flag=True, help="Play every phone here, also where CONFIG has a fleet for them."
)
def smsc(config: Path, own_phones: bool, **options: Any) -> None:
    """An SMSC to test an ESME against: SMPP 3.4 and 5.0, receipts, MOs, and everything that goes wrong.

    CONFIG says who may bind and what befalls messages and connections; config/smsc.toml has every key with its
    meaning and runs as it is. Options go before CONFIG's keys. To test an ESME with nothing else running:

    \b
    ascs sim smsc --own-phones --store memory config/smsc.toml

    \b
    outcomes     DELIVRD, UNDELIV, EXPIRED, REJECTD, UNKNOWN, refusals; by weight, seed and number
    delays       of responses and deliveries: constant, uniform, exponential, lognormal
    dialects     hex and decimal ids, receipts early, twice, on another bind, TLV only, text only ...
    faults       hangs, resets, unbinds, refused binds, rate limits, congestion_state
    phones       its own, with scripted replies (--own-phones); or those of `ascs sim handsets`, and
                 until that is bound every message waits for it

    With api_port a test changes all of that while it runs, and reads what was accepted:

    \b
    curl -X POST localhost:8072/hang -d '{"account": "gateway", "seconds": 5}'
    curl -X PUT localhost:8072/behaviour -d '{"outcomes": [{"result": "undeliverable", "error": 11}]}'
    curl localhost:8072/accepted?after=0

    With store = "disk" nothing is acknowledged before it is on the disk: kill -9 loses nothing.
    """
    from simulators.smsc import app as smsc_app
    from simulators.smsc.settings import SmscSettings, overridden

    settings = load_settings(config, SmscSettings)
    changed = {name: value for name, value in options.items() if value is not None}
    if own_phones:
        changed["accounts"] = [each.model_dump() for each in settings.accounts if each.kind != "handsets"]
    if changed:
        with plain_errors():
            settings = overridden(settings, changed)
    run_process("smsc", settings.log_dir, settings.log_level, lambda stop: smsc_app.run(settings, stop))


EVERY = click.option(
    "--every", type=click.FloatRange(0.1), metavar="SECONDS", help="Print calls, CPU and memory so often."
)


@sim.command()
@CONFIG_FILE
@click.option("--port", type=click.IntRange(0, 65535), help="SIP port (UDP); 0 takes a free one.")
@EVERY
def core(config: Path, every: float | None, **options: Any) -> None:
    """A SIP core between a gateway or PBX and the handsets of `ascs sim handsets`.

    CONFIG names the two neighbours, known by the address that they send from; config/core.toml has every key with
    its meaning and runs as it is.

    \b
    from the gateway   INVITE sip:+NUMBER@core goes to the handsets; P-Asserted-Identity and Privacy pass, since
                       the gateway is trusted (RFC 3325)
    from a handset     INVITE sip:NUMBER@core goes to the gateway with the asserted identity of that handset,
                       whatever it says in From
    anybody else       403

    It is a back-to-back user agent that leaves session descriptions alone, so that RTP goes straight. CANCEL,
    re-INVITE, INFO and early media cross; OPTIONS are answered.
    """
    from simulators.core import app as core_app
    from simulators.core.settings import CoreSettings

    settings = _with(load_settings(config, CoreSettings), options)
    run_process(
        "core", settings.log_dir, settings.log_level, lambda stop: core_app.run(settings, stop, every)
    )


@sim.command()
@CONFIG_FILE
@click.option(
    "--count", type=click.IntRange(1, 999_999), help="So many handsets, +8613800000001 and following."
)
@click.option(
    "--api-port", type=click.IntRange(0, 65535), help="Port of the control API; 0 takes a free one."
)
@click.option(
    "--seed", type=int, help="Of who follows which script, and of the times that scripts leave open."
)
@EVERY
def handsets(config: Path, every: float | None, **options: Any) -> None:
    """Thousands of telephones behind one SIP address, scripted, to test a gateway, a core or a PBX.

    CONFIG says how many there are, where the core or PBX is, and what they do; config/handsets.toml has every key
    with its meaning and runs as it is. Options go before CONFIG's keys.

    \b
    [[scripts]]                    what some of them do when they are called, by share or by number
      answer_after = [1.0, 8.0]      ring so long, then answer; never = true rings for ever
      busy = true                    486 at once; reject = 603 refuses with that status after ringing
      digits = "12#"                 press keys (RFC 4733) once the call is up
      hang_up_after = [10, 60]       talk so long, then BYE
      call_back_after = 5            call back whoever called
      audio = false                  no RTP but the keys: for thousands of calls at a time
    [sip.registration]             register each with the PBX, by digest
    [radio]                        an SMSC to bind to; without it there are calls and no messages

    A test changes all of that while it runs, and reads what happened:

    \b
    curl localhost:8071/statistics
    curl -X PUT localhost:8071/handsets/8613800000001/behaviour -d '{"reject": 486, "answer_after": 0}'
    curl -X POST localhost:8071/handsets/8613800000001/call -d '{"to": "1069000100"}'
    curl localhost:8071/handsets/8613800000001/calls?wait=10
    """
    from simulators.handsets import app as handsets_app
    from simulators.handsets.settings import FleetSettings

    settings = load_settings(config, FleetSettings)
    if options["count"] is not None:
        settings = settings.model_copy(update={"subscribers": None})
    settings = _with(settings, options)
    run_process(
        "handsets", settings.log_dir, settings.log_level, lambda stop: handsets_app.run(settings, stop, every)
    )


def _with(settings: M, options: dict[str, Any]) -> M:
    """The settings with what the command line says; its types are checked there."""
    return settings.model_copy(update={key: value for key, value in options.items() if value is not None})


@sim.command()
@CONFIG_FILE
def enterprise(config: Path) -> None:
    """An enterprise's own systems: SMPP client, SIP phone, consent backend."""
    from simulators.enterprise import process as enterprise_app
    from simulators.enterprise.settings import EnterpriseSettings

    settings = load_settings(config, EnterpriseSettings)
    run_process(
        f"enterprise-{settings.id}",
        settings.log_dir,
        settings.log_level,
        lambda stop: enterprise_app.run(settings, stop),
    )
