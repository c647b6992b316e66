"""TLS: who is trusted, and that nothing is sent in the clear where TLS was asked for."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bus.connection import connect
from bus.errors import ConnectionFailed
from bus.server_binary import find_server_binary
from bus.settings import ConnectionSettings
from tests.bus.eventually import WITHIN_S, eventually


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and a certificate for 127.0.0.1 that it signed; made for the run, worth nothing."""
    directory = tmp_path_factory.mktemp("certificates")
    ca, ca_key, request, cert, key = (
        directory / name for name in ("ca.pem", "ca.key", "request.pem", "cert.pem", "key.pem")
    )
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *new_key, "-keyout", ca_key, "-out", ca, "-days", "2", "-subj", "/CN=test authority")
    openssl("req", *new_key, "-keyout", key, "-out", request, "-subj", "/CN=127.0.0.1")
    names = directory / "names"
    names.write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
    openssl(
        "x509",
        "-req",
        "-in",
        request,
        "-CA",
        ca,
        "-CAkey",
        ca_key,
        "-CAcreateserial",
        "-days",
        "2",
        "-out",
        cert,
        "-extfile",
        names,
    )
    return directory


async def start(directory: Path, **config: Any) -> tuple[asyncio.subprocess.Process, str]:
    path = directory / "server.json"
    path.write_text(json.dumps({"host": "127.0.0.1", "port": -1, "ports_file_dir": str(directory), **config}))
    server = await asyncio.create_subprocess_exec(
        find_server_binary().path, "-c", path, stderr=asyncio.subprocess.DEVNULL
    )
    ports = directory / f"nats-server_{server.pid}.ports"
    await eventually(lambda: ports.exists() and ports.read_text().endswith("}"))
    return server, str(json.loads(ports.read_text())["nats"][0].rpartition(":")[2])


@pytest_asyncio.fixture(params=[False, True], ids=["after the greeting", "TLS first"])
async def tls_server(
    request: pytest.FixtureRequest, certificates: Path, tmp_path: Path
) -> AsyncIterator[tuple[str, bool]]:
    tls = {
        "cert_file": str(certificates / "cert.pem"),
        "key_file": str(certificates / "key.pem"),
        "ca_file": str(certificates / "ca.pem"),
    }
    server, port = await start(tmp_path, tls={**tls, "verify": True, "handshake_first": request.param})
    yield f"nats://127.0.0.1:{port}", request.param
    server.terminate()
    await server.wait()


async def test_a_client_with_the_authority_and_a_certificate(tls_server: tuple[str, bool], certificates: Path) -> None:
    url, first = tls_server
    ca, cert, key = (certificates / name for name in ("ca.pem", "cert.pem", "key.pem"))
    settings = ConnectionSettings(servers=(url,), source="NATS_URL", tls_first=first, ca=ca, cert=cert, key=key)
    async with await connect(settings, name="test", wait_s=WITHIN_S) as connection:
        await connection.client.flush()


async def test_a_server_that_nobody_vouches_for(tls_server: tuple[str, bool]) -> None:
    url, first = tls_server
    settings = ConnectionSettings(servers=(url.replace("nats://", "tls://"),), source="NATS_URL", tls_first=first)
    with pytest.raises(
        ConnectionFailed,
        match=r"its certificate is not trusted \(.*\)\. Name the authority that signed it with NATS_CA",
    ):
        await connect(settings, name="test")


async def test_nothing_is_sent_in_the_clear_where_tls_was_asked_for(certificates: Path, tmp_path: Path) -> None:
    server, port = await start(
        tmp_path, authorization={"user": "me", "password": "hunter2"}, log_file=str(tmp_path / "log"), trace=True
    )
    try:
        settings = ConnectionSettings(
            servers=(f"nats://127.0.0.1:{port}",),
            source="NATS_URL",
            ca=certificates / "ca.pem",
            user="me",
            password="hunter2",
        )
        with pytest.raises(ConnectionFailed, match="it offers no TLS, which the settings ask for"):
            await connect(settings, name="test")
    finally:
        server.terminate()
        await server.wait()
    assert "CONNECT" not in (tmp_path / "log").read_text()
