"""The RTP relay's process, with the number filter installed before anything is logged."""

from __future__ import annotations

import argparse
from pathlib import Path

from foundation.logs import setup
from sip.media import relay_process


def main() -> None:
    """`--logs FOLDER`, then what sip.media.relay_process takes."""
    parser = argparse.ArgumentParser(description="RTP and RTCP relay, controlled by the gateway")
    parser.add_argument("--logs", type=Path, required=True, help="where relay.log goes")
    arguments, rest = parser.parse_known_args()
    setup("relay", arguments.logs)
    relay_process.main(rest)


if __name__ == "__main__":
    main()
