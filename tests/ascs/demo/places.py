"""A demo's folder and ports for tests: nothing listens on them."""

from pathlib import Path

from ascs.demo.layout import ENTERPRISES, Layout, Ports


def layout_in(root: Path) -> Layout:
    return Layout(
        root,
        Ports(
            trust=1001,
            smpp=1002,
            sip_enterprise=1003,
            sip_core_side=1004,
            carrier_api=1005,
            operations=1006,
            smsc=1007,
            core=1008,
            handsets_sip=1009,
            handsets_api=1010,
            enterprise_api={each.id: 1011 + place for place, each in enumerate(ENTERPRISES)},
        ),
    )
