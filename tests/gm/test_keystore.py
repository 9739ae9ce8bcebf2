"""The sealed key file: what survives, what is refused, how keys live and die."""

import threading
from pathlib import Path

import pytest

from gm import keystore
from gm.errors import KeyStoreError
from gm.keystore import KeyProvider, KeyStore
from gm.sm2 import PrivateKey

PASSPHRASE = "correct horse"
FEW = keystore.ITERATIONS_MIN


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.store"


@pytest.fixture
def store(path: Path) -> KeyStore:
    return KeyStore.create(path, PASSPHRASE, iterations=FEW)


def test_it_is_a_key_provider(store: KeyStore) -> None:
    provider: KeyProvider = store
    assert provider.purposes() == ()


@pytest.mark.parametrize("algorithm", ["sm2", "sm4", "hmac-sm3"])
def test_a_key_survives_reopening(path: Path, store: KeyStore, algorithm: keystore.Algorithm) -> None:
    key = store.add("sign", algorithm, id="K001")
    assert len(key.material) == keystore.MATERIAL_SIZES[algorithm]
    assert KeyStore.open(path, PASSPHRASE).current("sign") == key


def test_given_material_is_kept(store: KeyStore) -> None:
    assert store.add("link", "hmac-sm3", material=b"m" * 32).material == b"m" * 32
    assert store.current("link").id == "link/1"


def test_keys_do_their_work(store: KeyStore) -> None:
    signer = store.add("sign", "sm2").sm2
    assert signer.public_key.verify(b"m", signer.sign(b"m"))
    assert store.current("sign").sm2 is store.current("sign").sm2
    link = store.add("link", "hmac-sm3")
    assert link.hmac.verify(b"m", link.hmac.digest(b"m"))
    with pytest.raises(KeyStoreError):
        _ = link.sm2
    with pytest.raises(KeyStoreError):
        _ = store.current("sign").hmac


class TestLifeCycle:
    def test_rotation_keeps_the_old_key_for_what_it_protected(self, store: KeyStore) -> None:
        old = store.add("data", "sm4")
        new = store.add("data", "sm4")
        assert (old.version, new.version) == (1, 2)
        assert store.current("data") == new
        assert store.get("data", 1).material == old.material
        assert [key.state for key in store.keys("data")] == ["retired", "active"]

    def test_a_pre_active_key_waits_for_its_activation(self, store: KeyStore) -> None:
        first = store.add("data", "sm4")
        second = store.add("data", "sm4", state="pre-active")
        assert store.current("data") == first
        store.set_state("data", second.version, "active")
        assert store.current("data").material == second.material
        assert store.get("data", 1).state == "retired"

    def test_a_destroyed_key_is_gone_and_its_number_is_not_reused(self, path: Path, store: KeyStore) -> None:
        store.add("data", "sm4")
        store.set_state("data", 1, "destroyed")
        reopened = KeyStore.open(path, PASSPHRASE)
        assert reopened.keys("data")[0].material == b""
        for call in (lambda: reopened.get("data", 1), lambda: reopened.current("data")):
            with pytest.raises(KeyStoreError):
                call()
        assert reopened.add("data", "sm4").version == 2

    @pytest.mark.parametrize(
        ("moves", "refused"),
        [
            (["retired"], "active"),
            (["retired"], "pre-active"),
            (["destroyed"], "active"),
            (["destroyed"], "retired"),
            ([], "active"),
            ([], "pre-active"),
        ],
    )
    def test_no_way_back(self, store: KeyStore, moves: list[keystore.State], refused: keystore.State) -> None:
        store.add("data", "sm4")
        for move in moves:
            store.set_state("data", 1, move)
        with pytest.raises(KeyStoreError, match="cannot go"):
            store.set_state("data", 1, refused)

    @pytest.mark.parametrize("state", ["retired", "destroyed", "unknown"])
    def test_no_key_is_born_dead(self, store: KeyStore, state: keystore.State) -> None:
        with pytest.raises(KeyStoreError):
            store.add("data", "sm4", state=state)


class TestRefusals:
    def test_unknown_keys(self, store: KeyStore) -> None:
        store.add("data", "sm4")
        for version in (0, -1, 2):
            with pytest.raises(KeyStoreError):
                store.get("data", version)
            with pytest.raises(KeyStoreError):
                store.set_state("data", version, "retired")
        with pytest.raises(KeyStoreError):
            store.current("other")

    @pytest.mark.parametrize(
        ("algorithm", "material"), [("sm4", bytes(15)), ("sm2", bytes(32)), ("hmac-sm3", b""), ("aes", None)]
    )
    def test_material_that_is_no_key(
        self, store: KeyStore, algorithm: keystore.Algorithm, material: bytes | None
    ) -> None:
        with pytest.raises(KeyStoreError):
            store.add("data", algorithm, material=material)

    def test_names_are_bounded(self, store: KeyStore) -> None:
        for purpose, key_id in (("", ""), ("p" * 129, ""), ("p", "i" * 129)):
            with pytest.raises(KeyStoreError):
                store.add(purpose, "sm4", id=key_id)

    def test_a_wrong_passphrase_and_every_altered_byte_look_alike(self, path: Path, store: KeyStore) -> None:
        store.add("data", "sm4")
        with pytest.raises(KeyStoreError, match="does not open"):
            KeyStore.open(path, "wrong")
        good = path.read_bytes()
        for at in (12, 27, 28, 39, 40, len(good) - 1):
            path.write_bytes(good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :])
            with pytest.raises(KeyStoreError, match="does not open"):
                KeyStore.open(path, PASSPHRASE)

    @pytest.mark.parametrize("data", [b"", b"ASCSKS1\0", b"x" * 200, b"ASCSKS1\0" + b"\xff" * 100])
    def test_other_files(self, path: Path, data: bytes) -> None:
        # The last asks for more rounds than are ever computed.
        path.write_bytes(data)
        with pytest.raises(KeyStoreError, match="not a key store"):
            KeyStore.open(path, PASSPHRASE)

    def test_no_file_no_folder_no_passphrase(self, tmp_path: Path) -> None:
        with pytest.raises(KeyStoreError):
            KeyStore.open(tmp_path / "none", PASSPHRASE)
        with pytest.raises(KeyStoreError):
            KeyStore.create(tmp_path / "none" / "keys", PASSPHRASE, iterations=FEW)
        with pytest.raises(KeyStoreError, match="passphrase is empty"):
            KeyStore.create(tmp_path / "keys", "", iterations=FEW)

    def test_an_existing_store_is_not_overwritten(self, path: Path, store: KeyStore) -> None:
        store.add("data", "sm4")
        with pytest.raises(KeyStoreError, match="exists"):
            KeyStore.create(path, PASSPHRASE, iterations=FEW)
        assert KeyStore.open(path, PASSPHRASE).purposes() == ("data",)

    @pytest.mark.parametrize("iterations", [0, keystore.ITERATIONS_MIN - 1, keystore.ITERATIONS_MAX + 1])
    def test_iterations_are_bounded(self, path: Path, iterations: int) -> None:
        with pytest.raises(KeyStoreError):
            KeyStore.create(path, PASSPHRASE, iterations=iterations)


class TestFile:
    def test_only_the_owner_reads_it_and_no_key_is_in_clear(self, path: Path, store: KeyStore) -> None:
        key = store.add("data", "sm4")
        assert path.stat().st_mode & 0o777 == 0o600
        assert key.material not in path.read_bytes()
        assert b"data" not in path.read_bytes()

    def test_each_write_uses_a_fresh_nonce(self, path: Path, store: KeyStore) -> None:
        nonces = set()
        for _ in range(5):
            store.add("data", "sm4")
            nonces.add(path.read_bytes()[28:40])
        assert len(nonces) == 5

    def test_a_failed_write_leaves_the_old_file(
        self, path: Path, store: KeyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.add("data", "sm4")

        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(KeyStoreError, match="No space left"):
            store.add("data", "sm4")
        monkeypatch.undo()
        assert [key.version for key in store.keys("data")] == [1]
        assert [key.version for key in KeyStore.open(path, PASSPHRASE).keys("data")] == [1]
        assert sorted(entry.name for entry in path.parent.iterdir()) == ["keys.store", "keys.store.lock"]

    def test_two_openers_do_not_lose_each_others_keys(self, path: Path, store: KeyStore) -> None:
        other = KeyStore.open(path, PASSPHRASE)
        store.add("mine", "sm4")
        other.add("theirs", "sm4")
        assert store.purposes() == ("mine",)
        store.reload()
        assert store.purposes() == other.purposes() == ("mine", "theirs")

    def test_a_refresh_reads_only_what_another_process_replaced(self, path: Path, store: KeyStore) -> None:
        other = KeyStore.open(path, PASSPHRASE)
        assert not store.refresh()
        store.add("mine", "sm4")
        assert not store.refresh()
        other.add("theirs", "sm4")
        assert store.refresh()
        assert store.purposes() == ("mine", "theirs")
        assert not store.refresh()

    def test_threads_get_versions_of_their_own(self, path: Path, store: KeyStore) -> None:
        others = [store, KeyStore.open(path, PASSPHRASE)]
        versions: list[int] = []

        def add(worker: int) -> None:
            versions.extend(others[worker % 2].add("data", "sm4").version for _ in range(5))

        threads = [threading.Thread(target=add, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(versions) == list(range(1, 21))

    def test_a_store_sealed_anew_must_be_opened_again(self, path: Path, store: KeyStore) -> None:
        path.unlink()
        KeyStore.create(path, "another", iterations=FEW)
        with pytest.raises(KeyStoreError, match="open it again"):
            store.reload()


def test_another_partys_public_key_is_kept_and_is_not_drawn(store: KeyStore) -> None:
    theirs = PrivateKey.generate().public_key
    key = store.add("peer/ttp", "sm2-public", material=theirs.to_bytes(), id="ttp/sign/7")
    assert (key.public, key.id) == (theirs, "ttp/sign/7")
    with pytest.raises(KeyStoreError):
        _ = key.sm2
    with pytest.raises(KeyStoreError):
        store.add("peer/ttp", "sm2-public")
    with pytest.raises(KeyStoreError):
        store.add("peer/ttp", "sm2-public", material=b"\x04" + bytes(64))


def test_the_public_half_of_ones_own_pair(store: KeyStore) -> None:
    key = store.add("sign", "sm2")
    assert key.public == key.sm2.public_key


def test_repr_does_not_show_material(store: KeyStore) -> None:
    key = store.add("data", "hmac-sm3", material=b"secretsecretsecretsecretsecret!!")
    assert "secret" not in repr(key)
