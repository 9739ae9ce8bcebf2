"""SM2 (GB/T 32918) against the standard's examples and a second implementation."""

import base64
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import serialization as to
from cryptography.hazmat.primitives.asymmetric import ec
from gmssl.sm2 import CryptSM2
from hypothesis import given, settings
from hypothesis import strategies as st

from gm import sm2
from gm.errors import DecryptError, GmError, KeyFormatError
from gm.selftest import (
    SM2_CIPHERTEXT,
    SM2_MESSAGE,
    SM2_PLAINTEXT,
    SM2_PRIVATE,
    SM2_PUBLIC,
    SM2_SIGNATURE,
)
from gm.sm2 import PrivateKey, PublicKey

KEY = PrivateKey.from_bytes(SM2_PRIVATE)

# `openssl genpkey -algorithm SM2` and its `openssl pkey -pubout`: a throw-away pair made for this test.
OPENSSL_PRIVATE = b"""-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqBHM9VAYItBG0wawIBAQQgGl30mQMbK7eQvd1W
jP3CXEOlyUJlrMIAPVgas30fmBehRANCAATA8nsRBIqOdtOaPGKe4I3sKpONPBCC
eCjqsoxHrMEEOLmWeReUwWUmfzRzw0JHj6UVPevjjPIXWF5Y+ItqP9x3
-----END PRIVATE KEY-----
"""
OPENSSL_PUBLIC = b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoEcz1UBgi0DQgAEwPJ7EQSKjnbTmjxinuCN7CqTjTwQ
gngo6rKMR6zBBDi5lnkXlMFlJn80c8NCR4+lFT3r44zyF1heWPiLaj/cdw==
-----END PUBLIC KEY-----
"""


def other_implementation(key: PrivateKey) -> CryptSM2:
    """gmssl with the same key; mode 1 is C1C3C2."""
    return CryptSM2(
        private_key=key.to_bytes().hex(), public_key=key.public_key.to_bytes()[1:].hex(), mode=1, asn1=False
    )


def curve_at(x: int) -> int:
    """The square of Y at X."""
    return (x**3 + sm2.A * x + sm2.B) % sm2.P


def altered(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


class TestSignature:
    def test_the_standards_example_verifies(self) -> None:
        assert KEY.public_key.to_bytes() == SM2_PUBLIC
        assert KEY.public_key.verify(SM2_MESSAGE, SM2_SIGNATURE)

    def test_the_digest_is_the_standards(self) -> None:
        # GB/T 32918.5, A.2: e = H(Z | M).
        digest = "f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640"
        assert KEY.public_key.digest(SM2_MESSAGE).hex() == digest

    def test_sign_and_verify(self) -> None:
        signature = KEY.sign(b"message")
        assert len(signature) == 64
        assert KEY.public_key.verify(b"message", signature)
        assert KEY.sign(b"message") != signature

    @pytest.mark.parametrize("at", [0, 31, 32, 63])
    def test_an_altered_signature_does_not_verify(self, at: int) -> None:
        assert not KEY.public_key.verify(SM2_MESSAGE, altered(SM2_SIGNATURE, at))

    def test_another_message_or_key_does_not_verify(self) -> None:
        assert not KEY.public_key.verify(b"Message digest", SM2_SIGNATURE)
        assert not PrivateKey.generate().public_key.verify(SM2_MESSAGE, SM2_SIGNATURE)

    @pytest.mark.parametrize("part", [0, sm2.N, 2**256 - 1], ids=["zero", "n", "all-ones"])
    def test_r_and_s_out_of_range_do_not_verify(self, part: int) -> None:
        number = part.to_bytes(32, "big")
        assert not KEY.public_key.verify(SM2_MESSAGE, number + SM2_SIGNATURE[32:])
        assert not KEY.public_key.verify(SM2_MESSAGE, SM2_SIGNATURE[:32] + number)

    @pytest.mark.parametrize("size", [0, 63, 65, 70])
    def test_another_length_does_not_verify(self, size: int) -> None:
        assert not KEY.public_key.verify(SM2_MESSAGE, (SM2_SIGNATURE * 2)[:size])

    def test_both_ways_with_another_implementation(self) -> None:
        other = other_implementation(KEY)
        ours = KEY.sign(b"from here")
        assert other.verify(ours.hex(), KEY.public_key.digest(b"from here"))
        theirs = other.sign(KEY.public_key.digest(b"from there"), f"{7**80 % sm2.N:064x}")
        assert KEY.public_key.verify(b"from there", bytes.fromhex(theirs))

    @settings(max_examples=25, deadline=None)
    @given(st.binary(max_size=200))
    def test_every_message_verifies(self, message: bytes) -> None:
        assert KEY.public_key.verify(message, KEY.sign(message))

    @settings(max_examples=50, deadline=None)
    @given(st.binary(min_size=64, max_size=64))
    def test_random_bytes_never_verify(self, signature: bytes) -> None:
        assert not KEY.public_key.verify(SM2_MESSAGE, signature)


class TestEncryption:
    def test_the_standards_example_opens(self) -> None:
        assert KEY.decrypt(SM2_CIPHERTEXT) == SM2_PLAINTEXT

    @pytest.mark.parametrize("size", [1, 31, 32, 33, 96, 1000, sm2.PLAINTEXT_MAX])
    def test_what_is_encrypted_opens(self, size: int) -> None:
        ciphertext = KEY.public_key.encrypt(b"p" * size)
        assert len(ciphertext) == size + sm2.CIPHERTEXT_OVERHEAD
        assert KEY.decrypt(ciphertext) == b"p" * size

    def test_equal_plaintexts_have_nothing_in_common(self) -> None:
        first, second = KEY.public_key.encrypt(b"same" * 8), KEY.public_key.encrypt(b"same" * 8)
        assert all(first[at : at + 32] != second[at : at + 32] for at in range(0, 128, 32))

    @pytest.mark.parametrize("at", [0, 40, 64, 95, 96, 114], ids=["x", "y", "c3", "c3-end", "c2", "c2-end"])
    def test_any_altered_byte_gives_the_one_error(self, at: int) -> None:
        with pytest.raises(DecryptError, match=r"^ciphertext does not open$"):
            KEY.decrypt(altered(SM2_CIPHERTEXT, at))

    @pytest.mark.parametrize("size", [0, 64, 96, 114])
    def test_a_truncated_ciphertext_gives_the_one_error(self, size: int) -> None:
        with pytest.raises(DecryptError, match=r"^ciphertext does not open$"):
            KEY.decrypt(SM2_CIPHERTEXT[:size])

    def test_a_key_works_on_after_an_error(self) -> None:
        for _ in range(3):
            with pytest.raises(DecryptError):
                KEY.decrypt(bytes(200))
            assert KEY.decrypt(SM2_CIPHERTEXT) == SM2_PLAINTEXT

    def test_another_key_does_not_open(self) -> None:
        with pytest.raises(DecryptError):
            PrivateKey.generate().decrypt(SM2_CIPHERTEXT)

    @pytest.mark.parametrize("size", [0, sm2.PLAINTEXT_MAX + 1])
    def test_plaintext_bounds(self, size: int) -> None:
        with pytest.raises(GmError):
            KEY.public_key.encrypt(bytes(size))

    def test_both_ways_with_another_implementation(self) -> None:
        other = other_implementation(KEY)
        assert other.decrypt(KEY.public_key.encrypt(b"from here")) == b"from here"
        assert KEY.decrypt(other.encrypt(b"from there")) == b"from there"


class TestKeys:
    def test_bytes_round_trip(self) -> None:
        key = PrivateKey.generate()
        assert PrivateKey.from_bytes(key.to_bytes()) == key
        assert PublicKey.from_bytes(key.public_key.to_bytes()) == key.public_key
        assert PublicKey.from_bytes(key.public_key.to_bytes()[1:]) == key.public_key
        assert hash(PrivateKey.from_bytes(key.to_bytes())) == hash(key)

    def test_pem_round_trip(self) -> None:
        key = PrivateKey.generate()
        assert PrivateKey.from_pem(key.to_pem()) == key
        assert PublicKey.from_pem(key.public_key.to_pem()) == key.public_key

    def test_openssls_pem_is_read_and_written(self) -> None:
        private, public = PrivateKey.from_pem(OPENSSL_PRIVATE), PublicKey.from_pem(OPENSSL_PUBLIC)
        assert private.public_key == public
        assert private.to_pem() == OPENSSL_PRIVATE
        assert public.to_pem() == OPENSSL_PUBLIC

    def test_spki_names_algorithm_and_curve(self) -> None:
        encoded = KEY.public_key.spki_der()
        assert len(encoded) == 91
        assert encoded.hex().startswith("3059301306072a8648ce3d020106082a811ccf5501822d034200" + "04")
        assert PublicKey.from_spki_der(encoded) == KEY.public_key

    @pytest.mark.parametrize("d", [0, sm2.N - 1, sm2.N, 2**256 - 1])
    def test_private_numbers_out_of_range_are_refused(self, d: int) -> None:
        with pytest.raises(KeyFormatError):
            PrivateKey.from_bytes(d.to_bytes(32, "big"))

    @pytest.mark.parametrize("d", [1, sm2.N - 2])
    def test_the_smallest_and_largest_private_numbers_work(self, d: int) -> None:
        key = PrivateKey.from_bytes(d.to_bytes(32, "big"))
        assert key.public_key.verify(b"m", key.sign(b"m"))

    @pytest.mark.parametrize(
        "point",
        [
            b"",
            SM2_PUBLIC[:-1],
            b"\x02" + SM2_PUBLIC[1:33],
            b"\x05" + SM2_PUBLIC[1:],
            altered(SM2_PUBLIC, 64),
            bytes(64),
            b"\xff" * 64,
        ],
        ids=["empty", "short", "compressed", "form", "off-curve", "zero", "beyond-p"],
    )
    def test_what_is_no_point_of_the_curve_is_refused(self, point: bytes) -> None:
        with pytest.raises(KeyFormatError):
            PublicKey.from_bytes(point)

    def test_coordinates_are_below_p(self) -> None:
        # A point with X + p in place of X would be a second form of one key.
        x = next(x for x in range(1, 99) if pow(curve_at(x), (sm2.P - 1) // 2, sm2.P) == 1)
        y = pow(curve_at(x), (sm2.P + 1) // 4, sm2.P)
        assert PublicKey.from_bytes(x.to_bytes(32, "big") + y.to_bytes(32, "big"))
        with pytest.raises(KeyFormatError):
            PublicKey.from_bytes((x + sm2.P).to_bytes(32, "big") + y.to_bytes(32, "big"))

    @pytest.mark.parametrize(
        "pem",
        [
            b"",
            b"-----BEGIN PRIVATE KEY-----\n",
            b"-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----\n",
            b"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
            OPENSSL_PUBLIC,
        ],
        ids=["empty", "unclosed", "base64", "der", "public"],
    )
    def test_other_pem_is_refused(self, pem: bytes) -> None:
        with pytest.raises(KeyFormatError):
            PrivateKey.from_pem(pem)

    def test_a_private_key_of_another_curve_is_refused(self) -> None:
        p256 = ec.generate_private_key(ec.SECP256R1())
        private = p256.private_bytes(to.Encoding.PEM, to.PrivateFormat.PKCS8, to.NoEncryption())
        public = p256.public_key().public_bytes(to.Encoding.PEM, to.PublicFormat.SubjectPublicKeyInfo)
        with pytest.raises(KeyFormatError):
            PrivateKey.from_pem(private)
        with pytest.raises(KeyFormatError):
            PublicKey.from_pem(public)

    def test_a_file_that_pairs_two_keys_is_refused(self) -> None:
        mine, other = PrivateKey.generate(), PrivateKey.generate()
        encoded = base64.b64decode(b"".join(mine.to_pem().splitlines()[1:-1]))
        swapped = encoded.replace(mine.public_key.to_bytes(), other.public_key.to_bytes())
        mixed = (
            b"-----BEGIN PRIVATE KEY-----\n" + base64.b64encode(swapped) + b"\n-----END PRIVATE KEY-----\n"
        )
        with pytest.raises(KeyFormatError, match="another key's"):
            PrivateKey.from_pem(mixed)

    def test_repr_does_not_show_the_private_number(self) -> None:
        assert KEY.to_bytes().hex() not in repr(KEY)


def test_one_key_serves_many_threads() -> None:
    start = threading.Barrier(8)

    def work(worker: int) -> bool:
        start.wait()
        good = True
        for turn in range(10):
            message = b"%d/%d" % (worker, turn)
            good &= KEY.public_key.verify(message, KEY.sign(message))
            good &= KEY.decrypt(KEY.public_key.encrypt(message)) == message
        return good

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
