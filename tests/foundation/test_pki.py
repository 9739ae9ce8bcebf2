"""Parties know each other by certificate; TLS is 1.2 or higher, and mutual."""

import asyncio
import ssl
from pathlib import Path

import pytest

from foundation import pki


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    pki.make_ca(folder / "ca", "Development CA")
    for party in ("ttp", "CMCC"):
        pki.make_party(folder / party, folder / "ca", party)
    pki.make_ca(folder / "other-ca", "Another CA")
    pki.make_party(folder / "stranger", folder / "other-ca", "CMCC")
    return folder


def files(folder: Path, name: str, party: str) -> tuple[Path, Path, Path]:
    return folder / name / "ca.pem", folder / name / f"{party}.pem", folder / name / f"{party}.key"


async def meet(server: ssl.SSLContext, client: ssl.SSLContext | bool, host: str = "localhost") -> str:
    """The party that the server saw; raises what the client met."""
    seen: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def on_connection(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tls = writer.get_extra_info("ssl_object")
        der = pki.party_of_certificate(tls.getpeercert(binary_form=True))
        assert der == pki.party_of_certificate(tls.getpeercert())
        seen.set_result(der)
        writer.write(tls.version().encode())
        writer.close()

    listener = await asyncio.start_server(on_connection, "127.0.0.1", 0, ssl=server)
    port = listener.sockets[0].getsockname()[1]
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=host)
        version = await reader.read()
        writer.close()
        if not version:
            raise ConnectionError("closed by the server")
        return await seen + " " + version.decode()
    finally:
        listener.close()


async def test_two_parties_meet_and_know_each_other(folder: Path) -> None:
    server = pki.server_context(*files(folder, "ttp", "ttp"))
    client = pki.client_context(*files(folder, "CMCC", "CMCC"))
    assert await meet(server, client) == "CMCC TLSv1.3"
    assert await meet(server, client, "127.0.0.1") == "CMCC TLSv1.3"
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert await meet(server, client) == "CMCC TLSv1.2"


async def test_a_peer_without_certificate_or_of_another_authority_is_refused(folder: Path) -> None:
    server = pki.server_context(*files(folder, "ttp", "ttp"))
    bare = ssl.create_default_context(cafile=str(folder / "ttp" / "ca.pem"))
    stranger = pki.client_context(*files(folder, "stranger", "CMCC"))
    stranger.load_verify_locations(folder / "ttp" / "ca.pem")
    for client in (bare, stranger):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await meet(server, client)


async def test_a_client_refuses_a_server_of_another_authority_or_name(folder: Path) -> None:
    client = pki.client_context(*files(folder, "CMCC", "CMCC"))
    with pytest.raises(ssl.SSLCertVerificationError):
        await meet(pki.server_context(*files(folder, "stranger", "CMCC")), client)
    with pytest.raises(ssl.SSLCertVerificationError):
        await meet(pki.server_context(*files(folder, "ttp", "ttp")), client, "elsewhere.example")


async def test_tls_1_1_is_refused(folder: Path) -> None:
    context = pki.server_context(*files(folder, "ttp", "ttp"))
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


URN = "urn:ascs:party:"


@pytest.mark.parametrize(
    ("common_names", "uris"),
    [
        (["ent-a"], []),
        ([], [URN + "ent-a"]),
        (["ent-a"], [URN + "ent-b"]),
        (["ent-a", "ent-b"], [URN + "ent-a"]),
        (["ent-a"], [URN + "ent-a", URN + "ent-b"]),
        (["../x"], [URN + "../x"]),
        ([""], [URN]),
    ],
)
def test_a_certificate_that_does_not_name_exactly_one_party(common_names: list[str], uris: list[str]) -> None:
    certificate = {
        "subject": tuple((("commonName", name),) for name in common_names),
        "subjectAltName": (("DNS", "localhost"), *(("URI", uri) for uri in uris)),
    }
    with pytest.raises(pki.PkiError):
        pki.party_of_certificate(certificate)


def test_bytes_that_are_no_certificate() -> None:
    with pytest.raises(pki.PkiError):
        pki.party_of_certificate(b"\x30\x03\x02\x01\x01")


def test_keys_are_their_owners_alone_and_an_authority_stays(folder: Path) -> None:
    for key in folder.rglob("*.key"):
        assert key.stat().st_mode & 0o777 == 0o600
    before = (folder / "ca" / "ca.pem").read_bytes()
    pki.make_ca(folder / "ca", "Development CA")
    assert (folder / "ca" / "ca.pem").read_bytes() == before


def test_a_party_needs_an_authority_and_a_proper_id(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(pki.PkiError):
        pki.make_party(tmp_path, tmp_path / "none", "ent-a")
    with pytest.raises(ValueError):
        pki.make_party(tmp_path, folder / "ca", "a/b")


@pytest.mark.parametrize("name", ["ca", "cert", "key"])
@pytest.mark.parametrize(("content", "reason"), [(None, "No such file or directory"), ("no PEM", "PEM")])
def test_a_file_that_cannot_be_used_is_named_with_what_it_is_for(
    folder: Path, tmp_path: Path, name: str, content: str | None, reason: str
) -> None:
    given = dict(zip(("ca", "cert", "key"), files(folder, "ttp", "ttp"), strict=True))
    given[name] = tmp_path / "faulty"
    if content is not None:
        given[name].write_text(content)
    with pytest.raises(pki.PkiError) as raised:
        pki.client_context(**given)
    said = str(raised.value)
    assert said.startswith("TLS ")
    assert name in said.split(":")[0]
    assert str(tmp_path / "faulty") in said
    assert reason in said


def test_a_key_of_another_certificate_is_refused(folder: Path) -> None:
    ca, cert, _ = files(folder, "ttp", "ttp")
    with pytest.raises(pki.PkiError, match="MISMATCH"):
        pki.server_context(ca, cert, folder / "CMCC" / "CMCC.key")


@pytest.mark.parametrize(
    ("with_ca", "required", "mode"),
    [
        (False, True, ssl.CERT_NONE),
        (True, False, ssl.CERT_OPTIONAL),
        (True, True, ssl.CERT_REQUIRED),
    ],
)
def test_a_public_server_asks_for_client_certificates_as_it_is_told(
    folder: Path, with_ca: bool, required: bool, mode: ssl.VerifyMode
) -> None:
    ca, cert, key = files(folder, "ttp", "ttp")
    context = pki.public_context(cert, key, ca if with_ca else None, required=required)
    assert context.verify_mode == mode
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_public_servers_files_are_named_too(folder: Path, tmp_path: Path) -> None:
    _, cert, key = files(folder, "ttp", "ttp")
    with pytest.raises(pki.PkiError, match="TLS ca"):
        pki.public_context(cert, key, tmp_path / "none.pem")
    with pytest.raises(pki.PkiError, match="MISMATCH"):
        pki.public_context(cert, folder / "CMCC" / "CMCC.key")
