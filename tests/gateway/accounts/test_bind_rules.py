"""Whether an account may bind."""

from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from foundation.pki import make_ca, make_party
from gateway.accounts.bind_rules import check_address, check_certificate, exceeds_limit, origin_fault
from gateway.store.accounts import AccountRow
from smpp.pdu import Bind, BindReceiver, BindTransceiver, BindTransmitter

ACCOUNT = AccountRow("sms-a", "ent-a", "", 3)
TX, RX, TRX = BindTransmitter, BindReceiver, BindTransceiver


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """For esme.example, 192.0.2.7 and urn:ascs:party:esme."""
    folder: Path = tmp_path_factory.mktemp("pki")
    make_ca(folder, "test")
    make_party(folder, folder, "esme", ("esme.example", "192.0.2.7"))
    found = x509.load_pem_x509_certificate((folder / "esme.pem").read_bytes())
    return found.public_bytes(Encoding.DER)


class TestAddress:
    def test_without_a_list_it_binds_from_anywhere(self) -> None:
        assert origin_fault(ACCOUNT, "198.51.100.1", tls=False, certificate=None) is None

    @pytest.mark.parametrize(
        ("address", "may"),
        [
            ("192.0.2.0", True),
            ("192.0.2.255", True),
            ("192.0.3.0", False),
            ("203.0.113.9", True),
            ("203.0.113.8", False),
            ("2001:db8::1", True),
            ("2001:db9::1", False),
            ("::ffff:192.0.2.1", True),
            ("::ffff:192.0.3.1", False),
            ("fe80::1%eth0", True),
            ("", False),
            ("unix", False),
        ],
    )
    def test_with_a_list_it_binds_from_there_alone(self, address: str, may: bool) -> None:
        networks = ("192.0.2.0/24", "203.0.113.9", "2001:db8::/32", "fe80::/10")
        account = replace(ACCOUNT, addresses=tuple(ip_network(each) for each in networks))
        fault = origin_fault(account, address, tls=False, certificate=None)
        assert (fault is None) is may
        assert may or "address" in str(fault)

    @pytest.mark.parametrize("text", ["192.0.2.0/24", "192.0.2.1", "2001:db8::/32"])
    def test_what_an_operator_may_write(self, text: str) -> None:
        assert check_address(text) == ip_network(text)

    @pytest.mark.parametrize("text", ["", "localhost", "192.0.2.1/24", "192.0.2.0/33", "192.0.2"])
    def test_what_an_operator_may_not_write(self, text: str) -> None:
        with pytest.raises(ValueError, match="no address or network"):
            check_address(text)


class TestTls:
    def test_an_account_of_tls_does_not_bind_without(self) -> None:
        account = replace(ACCOUNT, tls=True)
        assert "TLS" in str(origin_fault(account, "192.0.2.1", tls=False, certificate=None))
        assert origin_fault(account, "192.0.2.1", tls=True, certificate=None) is None

    @pytest.mark.parametrize("name", ["esme.example", "192.0.2.7", "urn:ascs:party:esme"])
    def test_a_certificate_by_a_name_of_its_own(self, certificate: bytes, name: str) -> None:
        account = replace(ACCOUNT, certificates=("san:other", f"san:{name}"))
        assert origin_fault(account, "", tls=True, certificate=certificate) is None

    def test_a_certificate_by_its_fingerprint(self, certificate: bytes) -> None:
        found = x509.load_der_x509_certificate(certificate).fingerprint(hashes.SHA256())
        account = replace(ACCOUNT, certificates=(check_certificate(f"SHA256:{found.hex(':').upper()}"),))
        assert origin_fault(account, "", tls=True, certificate=certificate) is None

    @pytest.mark.parametrize("pin", ["san:example", "san:ESME", "sha256:" + "0" * 64, "san:esme"])
    def test_another_certificate_is_refused(self, certificate: bytes, pin: str) -> None:
        account = replace(ACCOUNT, certificates=(pin,))
        assert "certificate" in str(origin_fault(account, "", tls=True, certificate=certificate))

    def test_none_and_an_unreadable_one_are_refused_where_one_is_pinned(self) -> None:
        account = replace(ACCOUNT, certificates=("san:esme.example",))
        assert "TLS" in str(origin_fault(account, "", tls=False, certificate=None))
        assert "certificate" in str(origin_fault(account, "", tls=True, certificate=None))
        assert "certificate" in str(origin_fault(account, "", tls=True, certificate=b"\x30\x00"))

    @pytest.mark.parametrize(
        "text", ["", "sha256:", "sha256:12", "san:", "san:a b", "esme", "md5:" + "0" * 32]
    )
    def test_what_names_no_certificate(self, text: str) -> None:
        with pytest.raises(ValueError, match="subjectAltName"):
            check_certificate(text)


class TestLimits:
    @pytest.mark.parametrize("bound", [[TX, TX, TX], [TX, RX, TRX], [TRX, TRX, TRX]])
    def test_all_types_together(self, bound: list[type[Bind]]) -> None:
        assert all(exceeds_limit(ACCOUNT, wanted, bound) for wanted in (TX, RX, TRX))
        assert not any(exceeds_limit(ACCOUNT, wanted, bound[1:]) for wanted in (TX, RX, TRX))

    @pytest.mark.parametrize(
        ("limits", "wanted"),
        [({"max_transmitters": 1}, TX), ({"max_receivers": 1}, RX), ({"max_transceivers": 1}, TRX)],
    )
    def test_each_type_for_itself(self, limits: dict[str, int], wanted: type[Bind]) -> None:
        account = replace(ACCOUNT, **limits)
        others = [each for each in (TX, RX, TRX) if each is not wanted]
        assert not exceeds_limit(account, wanted, others)
        assert exceeds_limit(account, wanted, [wanted])
        assert not any(exceeds_limit(account, other, [wanted]) for other in others)

    def test_none_of_a_type_at_all(self) -> None:
        account = replace(ACCOUNT, max_transceivers=0)
        assert exceeds_limit(account, TRX, [])
        assert not exceeds_limit(account, TX, [])
