"""`ascs trust reseal`: what was sealed anew."""

from pathlib import Path

from tests.ascs.commands.cli import done


def test_it_tells_what_it_sealed(trust_file: Path) -> None:
    done("trust", "init", trust_file)
    lines = done("trust", "reseal", trust_file).splitlines()
    assert lines == [
        *(
            f"{table}: 0 sealed anew"
            for table in (
                "data_keys.sealed",
                "agreements.text_sealed",
                "evidence_records.sealed",
                "evidence_batches.padding_sealed",
            )
        ),
        "nonces: 0 indexed anew",
    ]
