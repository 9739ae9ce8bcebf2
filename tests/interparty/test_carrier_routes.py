"""The table of the carrier's routes is whole; what it describes is tested in test_openapi."""

from interparty.carrier_routes import OPERATIONS


def test_each_operation_has_a_name_and_a_place_of_its_own() -> None:
    assert len({each.id for each in OPERATIONS}) == len(OPERATIONS)
    assert len({(each.method, each.path) for each in OPERATIONS}) == len(OPERATIONS)


def test_what_needs_no_signature_is_health_alone() -> None:
    assert [each.path for each in OPERATIONS if not each.signed] == ["/health"]


def test_what_is_signed_says_for_whom_it_is() -> None:
    assert all(each.callers for each in OPERATIONS if each.signed)
