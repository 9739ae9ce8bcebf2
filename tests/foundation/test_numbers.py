"""No record shows a person's number, in whatever spelling; AIDs and ids pass."""

import pytest

from foundation.numbers import MASK, mask, mask_text

NUMBERS = [
    "13800000001",  # national
    "8613800000001",  # E.164
    "008613800000001",
    "460001234567890",  # IMSI
    "3520990017614823",  # IMEISV
]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "sent to {} at once",
        "sip:{}@ims.example",
        "sip:+{}@core;user=phone",
        "tel:+{};phone-context=x",
        "a=%20{}&b",
        "x%2B{}",
        "imsi{}x",
        "给{}发送",
        "('{}',)",
        'INVITE sip:{}@h "name" <tel:1>',
        "a\n{}\r\n",
        "_{}_",
        "f{}e",
    ],
)
def test_digit_runs_are_masked_wherever_they_stand(number: str, around: str) -> None:
    masked = mask_text(around.format(number))
    assert number not in masked
    assert number[-8:] not in masked
    assert MASK in masked


@pytest.mark.parametrize(
    "text",
    [
        "+86 138 0000 0001",
        "+86-138-0000-0001",
        "86 13800000001",
        "86138 0000 0001",
        "138 0000 0001",
        "138-0000-0001",
        "138.0000.0001",
        "(138) 0000 0001",
        "1 3 8 0 0 0 0 0 0 0 1",
        "138%200000%200001",
        "+44 (20) 7946-0000",
        "+1.212.555.01.00",
        "%31%33%38%30%30%30%30%30%30%30%31",
        "1%33800000001",
        "%2b8613800000001",
        "１３８００００００００１",
        "3133383030303030303031",
        "00000004313338303030303030303101",
        repr("13800000001".encode("utf-16-be")),
        repr(b"\x00\x0113800000001\x00"),
    ],
)
def test_other_spellings_are_masked(text: str) -> None:
    masked = mask_text(f"to {text} done")
    assert MASK in masked
    assert "0001" not in masked.replace(" ", "")
    assert masked.startswith("to ")
    assert masked.endswith(" done")


@pytest.mark.parametrize(
    "text",
    [
        "888112345678901234",  # an AID
        "sip:888112345678901234@aid.example",
        "x=%20888112345678901234",
        "+888112345678901234",
        "888112345678901234,888112345678901235",
        "5d41402abc4b2a76b9719d12345678901"[:32],  # edi_id
        "a" * 10 + "1" * 22,
        "0123456789012345678901234567890123456789012345678901234567890abc",  # a digest
        "123e4567-e89b-12d3-a456-426614174000",
        "2026-11-24T00:31:07.123Z",
        "192.168.10.200:52341",
        "127.0.0.1",
        "10690001",  # an access number
        "ent-a/sign/1",
        "1234567890",
    ],
)
def test_aids_ids_times_and_addresses_pass(text: str) -> None:
    assert mask_text(text) == text


def test_a_digest_that_spells_a_number_in_ascii_is_masked() -> None:
    assert mask_text("ab" + "3133383030303030303031" + "cdef0123") == f"ab{MASK}cdef0123"


def test_a_digit_run_inside_a_digest_passes_and_beside_it_does_not() -> None:
    digest = "0a13800000001bcdef0123456789abcd"
    assert mask_text(f"{digest} 13800000001 {digest}") == f"{digest} {MASK} {digest}"


def test_values_of_every_kind_and_depth_are_masked() -> None:
    value = {
        "8613800000001": [8613800000001, ("13800000001", {b"13800000001"})],
        "n": 5,
        "aid": 888112345678901234,
        "ok": True,
        "ratio": 0.12345678901234,
        "none": None,
    }
    assert mask(value) == {
        MASK: [MASK, [MASK, [f"b'{MASK}'"]]],
        "n": 5,
        "aid": 888112345678901234,
        "ok": True,
        "ratio": 0.123457,
        "none": None,
    }


def test_objects_are_masked_by_what_they_show_and_never_raise() -> None:
    class Subscriber:
        def __repr__(self) -> str:
            return "Subscriber(8613800000001)"

    class Broken:
        def __repr__(self) -> str:
            raise ValueError

    assert mask(Subscriber()) == f"Subscriber({MASK})"
    assert mask(Broken()) == "<Broken>"
    deep: list[object] = ["13800000001"]
    for _ in range(20):
        deep = [deep]
    assert "13800000001" not in str(mask(deep))
