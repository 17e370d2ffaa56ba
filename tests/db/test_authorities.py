"""Proof of who answers: the root certificate that is bundled, and where it is used."""

from __future__ import annotations

import datetime
import socket
import ssl
import struct
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from remanence.db.authorities import root_for
from remanence.db.connect import connect
from remanence.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Generator

HOST = "aws-0-eu-central-1.pooler.supabase.com"
PROVEN = {"host": HOST, "sslmode": "verify-full"}
# Of the file that Supabase publishes as prod-ca-2021.crt.
FINGERPRINT = "807025ad50d4ed219d2c9c7d299c004f824eb00cf7f65afef607d07b72e6cafa"


def test_bundled_root_is_the_one_that_supabase_publishes() -> None:
    path = root_for(PROVEN)
    assert path is not None
    root = x509.load_pem_x509_certificate(Path(path).read_bytes())

    assert root.fingerprint(hashes.SHA256()).hex() == FINGERPRINT
    assert root.not_valid_after_utc.year == 2031
    root.verify_directly_issued_by(root)


@pytest.mark.parametrize(
    "changes",
    [
        {"sslmode": "require"},
        {"sslmode": ""},
        {"host": "db.example.org"},
        {"host": "supabase.com.example.org"},
        {"host": "notsupabase.com"},
        {"sslrootcert": "/my/root.pem"},
        {"sslrootcert": "system"},
    ],
)
def test_root_is_only_for_supabase_where_proof_is_wanted_and_none_is_named(
    changes: dict[str, str],
) -> None:
    assert root_for(PROVEN | changes) is None


def test_impostor_at_a_supabase_host_is_not_sent_the_password(tmp_path: Path) -> None:
    with impostor(tmp_path) as (port, heard):
        uri = f"postgresql://me:s3cr3t@{HOST}:{port}/app?sslmode=verify-full&hostaddr=127.0.0.1"

        with pytest.raises(StoreUnavailable, match="certificate verify failed"):
            connect(uri)
        with pytest.raises(StoreUnavailable) as trusted:
            connect(f"{uri}&sslrootcert={tmp_path / 'own.pem'}")

    assert "certificate" not in str(trusted.value), "a root that the URI names wins"
    assert [b"user\0me" in words for words in heard] == [True]


@contextmanager
def impostor(folder: Path) -> Generator[tuple[int, list[bytes]]]:
    """A server with a certificate it made itself, and what it was told under encryption."""
    heard: list[bytes] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_own_certificate(folder))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(2):
                client, _ = listener.accept()
                with client, suppress(ssl.SSLError, ConnectionError):
                    assert struct.unpack("!ii", client.recv(8)) == (8, 80877103)
                    client.sendall(b"S")
                    with context.wrap_socket(client, server_side=True) as line:
                        heard.append(line.recv(1000))

        server = threading.Thread(target=serve)
        server.start()
        yield listener.getsockname()[1], heard
        server.join()


def _own_certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "own.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path
