"""What anybody may put on the wire keeps nobody from reading the rest."""

import asyncio
from urllib.parse import urlsplit

import pytest
from nats.aio.msg import Msg

from bus.ledger import entries, entry
from bus.server import EmbeddedServer
from tests.bus.eventually import WITHIN_S, eventually
from tests.bus.rig import TYPE, Rig


@pytest.mark.parametrize("status", ["204", "404", "503", "999", "no number"])
@pytest.mark.parametrize("body", [b"", b"{}"])
async def test_a_publishers_status_header_is_not_the_servers(rig: Rig, status: str, body: bytes) -> None:
    client = rig.network.client
    subject = rig.subjects.task(TYPE)
    await client.request(subject, body, headers={"Status": status, "Nats-Sequence": "77"}, timeout=WITHIN_S)
    await client.request(subject, b"{}", timeout=WITHIN_S)
    found = await entry(rig.network, 1)
    assert found is not None
    assert (found.sequence, found.headers["Status"]) == (1, status)
    assert [message.sequence async for message in entries(rig.network, ">")] == [1, 2]


@pytest.mark.parametrize(
    "command",
    [
        b"PUB {realm}.call.\xff\xfe 2\r\n{}\r\n",
        b"HPUB {realm}.call.x 14 16\r\n\xff\xfe/1.0 \xff\r\n\r\n\r\n{}\r\n",
        b"HPUB {realm}.call.x 4 6\r\n\r\n\r\n{}\r\n",
    ],
    ids=["subject that is no text", "headers that are no text", "headers without a version"],
)
async def test_bytes_that_are_no_text_end_no_connection(rig: Rig, server: EmbeddedServer, command: bytes) -> None:
    heard: list[bytes] = []

    async def on_call(message: Msg) -> None:
        heard.append(message.data)

    def on_task(message: Msg) -> None:
        heard.append(message.data)

    realm = server.options.realm  # the one that anonymous clients reach
    await rig.network.client.subscribe(f"{realm}.call.*", cb=on_call)
    await rig.network.client.listen(f"{realm}.call.*", on_task)
    await rig.network.client.flush()
    address = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(b'CONNECT {"headers":true,"verbose":false,"no_responders":true}\r\n')
    writer.write(command.replace(b"{realm}", realm.encode()))
    writer.write(f"PUB {realm}.call.x 4\r\nlast\r\nPING\r\n".encode())
    await writer.drain()
    while await reader.readline() != b"PONG\r\n":
        pass
    await eventually(lambda: heard.count(b"last") == 2)
    assert rig.network.reconnects == 0
    writer.close()
    await writer.wait_closed()
