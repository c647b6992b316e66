"""The short ways of the client: what is posted arrives as if published, what is heard as if subscribed, however it was cut."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from nats import errors
from nats.aio.msg import Msg
from nats.protocol.parser import Parser

from bus.connection import Connection, connect
from bus.errors import Disconnected
from bus.quick_client import QuickClient
from bus.quick_parser import QuickParser
from bus.server import EmbeddedServer
from tests.bus.eventually import eventually


@pytest_asyncio.fixture
async def connection(server: EmbeddedServer) -> AsyncIterator[Connection]:
    async with await connect(server.settings_for("operator"), name="quick") as opened:
        yield opened


@pytest.fixture
def client(connection: Connection) -> QuickClient:
    return connection.client


def seen(message: Msg) -> tuple[str, str, bytes, dict[str, str] | None]:
    return message.subject, message.reply, message.data, message.headers


BODIES = [b"", b"x", b"\r\nMSG a 1 1\r\n", bytes(range(256)) * 300]
HEADERS: list[dict[str, str] | None] = [
    None,
    {"A": "1"},
    {"Nats-Msg-Id": "ä ö", "B": "x: y"},
    {"Status-Like": "404 Not"},
]


@pytest.mark.parametrize("headers", HEADERS)
@pytest.mark.parametrize("body", BODIES, ids=len)
async def test_both_ways_out_and_both_ways_in_agree(
    client: QuickClient, body: bytes, headers: dict[str, str] | None
) -> None:
    listened: list[Msg] = []
    subscribed: list[Msg] = []

    async def on_message(message: Msg) -> None:
        subscribed.append(message)

    subject = client.new_inbox()
    await client.listen(subject, listened.append)
    await client.subscribe(subject, cb=on_message)
    await client.publish(subject, body, reply="answer.here", headers=headers)
    client.post(subject, body, reply="answer.here", headers=headers)
    await eventually(lambda: len(listened) == len(subscribed) == 2)
    assert {repr(seen(message)) for message in (*listened, *subscribed)} == {
        repr((subject, "answer.here", body, headers))
    }


async def test_a_status_of_the_server_is_read(client: QuickClient) -> None:
    listened: list[Msg] = []
    inbox = client.new_inbox()
    await client.listen(inbox, listened.append)
    client.post("nobody.listens", b"", reply=inbox)
    await eventually(lambda: bool(listened))
    assert listened[0].headers == {"Status": "503", "Nats-Subject": "nobody.listens"}


@pytest.mark.parametrize(
    ("raw", "headers"),
    [
        (b"NATS/1.0 404 No Messages\r\n\r\n", {"Status": "404", "Description": "No Messages"}),
        (b"NATS/1.0 408\r\n\r\n", {"Status": "408"}),
        (b"NATS/1.0 100 Idle Heartbeat\r\nA: 1\r\n\r\n", {"Status": "100", "Description": "Idle Heartbeat", "A": "1"}),
        (b"NATS/1.0\r\nA: 1\r\nB:\r\n\r\n", {"A": "1", "B": ""}),
    ],
)
async def test_headers_as_the_server_sends_them(client: QuickClient, raw: bytes, headers: dict[str, str]) -> None:
    assert client.parse_headers(raw) == headers


async def test_posts_of_one_turn_arrive_in_order_between_publishes(client: QuickClient) -> None:
    listened: list[bytes] = []
    subject = client.new_inbox()
    await client.listen(subject, lambda message: listened.append(message.data))
    for number in range(0, 3000, 3):
        client.post(subject, b"%d" % number)
        client.post(subject, b"%d" % (number + 1))
        await client.publish(subject, b"%d" % (number + 2))
    await eventually(lambda: len(listened) == 3000)
    assert listened == [b"%d" % number for number in range(3000)]


async def test_messages_that_come_in_pieces_are_not_overtaken(client: QuickClient) -> None:
    listened: list[bytes] = []
    subject = client.new_inbox()
    await client.listen(subject, lambda message: listened.append(message.data[:8]))
    for number in range(400):
        client.post(subject, b"%08d" % number + bytes(number * 37 % 9000))
    await eventually(lambda: len(listened) == 400)
    assert listened == [b"%08d" % number for number in range(400)]


@pytest.mark.parametrize("subject", ["", "a b", "a\r\nPUB b 0\r\n", "a\tb", "a\n"])
async def test_a_subject_that_would_break_the_protocol_is_refused(client: QuickClient, subject: str) -> None:
    with pytest.raises(errors.BadSubjectError):
        client.post(subject, b"")
    if subject:
        with pytest.raises(errors.BadSubjectError):
            client.post("fine", b"", reply=subject)


async def test_a_line_end_in_a_header_ends_no_header(client: QuickClient) -> None:
    listened: list[Msg] = []
    subject = client.new_inbox()
    await client.listen(subject, listened.append)
    client.post(subject, b"body", headers={"Id": "a\r\nForged: b\r\n\r\nbody"})
    await eventually(lambda: bool(listened))
    assert (listened[0].data, listened[0].headers) == (b"body", {"Id": "a  Forged: b    body"})


async def test_what_is_too_large_or_comes_without_a_connection_is_refused(connection: Connection) -> None:
    client = connection.client
    with pytest.raises(errors.MaxPayloadError):
        client.post("large", bytes(client.max_payload + 1))
    await connection.close()
    with pytest.raises(Disconnected):
        client.post("late", b"")


async def test_a_listener_that_fails_is_told_and_harms_nobody(
    client: QuickClient, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[bytes] = []

    def listener(message: Msg) -> None:
        if message.data == b"bad":
            raise ValueError("cannot take this")
        heard.append(message.data)

    subject = client.new_inbox()
    await client.listen(subject, listener)
    for body in (b"good", b"bad", b"better"):
        client.post(subject, body)
    await eventually(lambda: len(heard) == 2)
    assert heard == [b"good", b"better"]
    await eventually(lambda: "a message handler failed" in caplog.text)


async def test_nothing_is_heard_after_the_end_of_a_subscription(client: QuickClient) -> None:
    heard: list[bytes] = []
    subject = client.new_inbox()
    unsubscribed = await client.listen(subject, lambda message: heard.append(message.data))
    drained = await client.listen(subject, lambda message: heard.append(message.data))
    client.post(subject, b"first")
    await drained.drain()
    assert heard.count(b"first") == 2
    await unsubscribed.unsubscribe()
    client.post(subject, b"second")
    await client.flush()
    assert b"second" not in heard


async def test_what_comes_of_a_connection_that_was_given_up_is_no_part_of_the_next_one(client: QuickClient) -> None:
    heard: list[bytes] = []
    subscription = await client.listen(client.new_inbox(), lambda message: heard.append(message.data))
    reconnects = client.stats["reconnects"]
    await client.force_reconnect()
    # Nothing has been awaited since: the socket is open still.
    client._take(f"MSG {subscription.subject} {subscription._id} 1000\r\ncut off".encode())

    await eventually(lambda: client.is_connected and client.stats["reconnects"] > reconnects)
    await client.publish(subscription.subject, b"whole")
    await eventually(lambda: heard == [b"whole"])


async def test_listening_goes_on_over_a_reconnect(client: QuickClient) -> None:
    heard: list[bytes] = []
    subject = client.new_inbox()
    await client.listen(subject, lambda message: heard.append(message.data))
    before = client.stats["reconnects"]
    await client.force_reconnect()
    await eventually(lambda: client.is_connected and client.stats["reconnects"] > before)
    client.post(subject, b"again")
    await eventually(lambda: heard == [b"again"])


class Recorder:
    """A client as the parsers see it: notes what it is told, in order."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        self.told.append(("message", sid, subject, reply, data, headers or b""))

    async def _process_ping(self) -> None:
        self.told.append("ping")

    async def _process_pong(self) -> None:
        self.told.append("pong")

    async def _process_err(self, message: str) -> None:
        self.told.append(("error", message))

    async def _process_info(self, info: dict[str, Any]) -> None:
        self.told.append(("info", info))


STREAM = b"".join(
    [
        b"MSG a.b 7 5\r\nhello\r\n",
        b"PING\r\n",
        b"MSG a.b 7 reply.to 0\r\n\r\n",
        b"HMSG c 12 _INBOX.x 18 23\r\nNATS/1.0\r\nA: b\r\n\r\nfive5\r\n",
        b"PONG\r\n-ERR 'Permissions Violation for Publish to \"x\"'\r\n+OK\r\n",
        b"HMSG d 3 16 16\r\nNATS/1.0 503\r\n\r\n\r\n",
        b'INFO {"a": 1}\r\n',
        b"MSG e 9 22\r\nMSG a 1 1\r\nx\r\nPING\r\n\r\n\r\n",
    ]
    * 3
)


@pytest.mark.parametrize("seed", range(40))
async def test_however_the_stream_is_cut_the_parser_tells_what_nats_pys_tells(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  cuts, not secrets
    plain, quick = Recorder(), Recorder()
    slow, fast = Parser(plain), QuickParser(quick, quick._process_msg)
    start = 0
    while start < len(STREAM):
        size = chance.choice((1, 2, 7, 40, 200, len(STREAM)))
        await slow.parse(STREAM[start : start + size])
        await fast.parse(STREAM[start : start + size])
        start += size
        assert quick.told == plain.told
    assert len(plain.told) == 9 * 3


@pytest.mark.parametrize("seed", range(40))
async def test_what_is_taken_where_it_is_read_overtakes_nothing_that_waits(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  cuts, not secrets
    plain, quick = Recorder(), Recorder()

    def dispatch(*message: Any) -> Awaitable[None] | None:
        if message[0] not in (7, 9):
            return quick._process_msg(*message)
        quick.told.append(("message", *message))
        return None

    parser, waiting = QuickParser(quick, dispatch), b""
    await Parser(plain).parse(STREAM)
    start = 0
    while start < len(STREAM) or waiting:
        read = STREAM[start : start + chance.choice((1, 7, 40, 200, len(STREAM)))]
        start += len(read)
        waiting += parser.take(read, (7, 9), lambda _: None)
        if chance.random() < 0.7:
            # nats-py's loop reads what waits in pieces of its own.
            size = chance.choice((5, 100, len(waiting)))
            await parser.parse(waiting[:size])
            waiting = waiting[size:]
        assert quick.told == plain.told[: len(quick.told)]
    assert quick.told == plain.told
    assert parser.behind == 0


async def test_whole_messages_are_taken_where_they_are_read_and_no_others() -> None:
    recorder = Recorder()
    parser = QuickParser(recorder, lambda *message: recorder.told.append(message))
    whole = b"MSG a 7 2\r\nhi\r\n"
    other = b"MSG a 8 2\r\nhi\r\n"
    assert parser.take(whole + whole, (7,), lambda _: None) == b""
    assert parser.take(whole + other + whole, (7,), lambda _: None) == other + whole
    assert parser.take(whole, (7,), lambda _: None) == whole
    assert len(recorder.told) == 3


@pytest.mark.parametrize("cut", range(1, 28))
async def test_a_message_in_pieces_is_taken_once_it_is_whole(cut: int) -> None:
    recorder = Recorder()
    parser = QuickParser(recorder, lambda *message: recorder.told.append(message))
    whole = b"HMSG a 7 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"
    assert parser.take(whole + whole[:cut], (7,), lambda _: None) == b""
    assert len(recorder.told) == 1
    assert parser.take(whole[cut:] + whole, (7,), lambda _: None) == b""
    assert recorder.told == [(7, b"a", b"", b"hi", b"NATS/1.0\r\n\r\n")] * 3


async def test_pieces_of_others_and_of_large_messages_are_left_to_the_parser() -> None:
    parser = QuickParser(Recorder(), lambda *_: None)
    for begun in (b"MSG a 8 2\r\nh", b"MSG a 7 2000000\r\nh", b"PI", b"MSG a 7 x\r\n", b"MSG " + b"a" * 5000):
        parser.reset()
        parser.behind = 0
        assert parser.take(begun, (7,), lambda _: None) == begun
    parser.reset()
    parser.behind = 0
    assert parser.take(b"MSG a", (7,), lambda _: None) == b""
    assert parser.take(b" 8 2\r\nhi\r\n", (7,), lambda _: None) == b"MSG a 8 2\r\nhi\r\n"


async def test_a_new_connection_knows_nothing_of_what_the_last_one_began() -> None:
    recorder = Recorder()
    parser = QuickParser(recorder, lambda *message: recorder.told.append(message))
    assert parser.take(b"MSG a 7 2\r\nh", (7,), lambda _: None) == b""
    parser.reset()
    assert parser.take(b"MSG a 7 2\r\nho\r\n", (7,), lambda _: None) == b""
    assert recorder.told == [(7, b"a", b"", b"ho", b"")]


@pytest.mark.parametrize(
    "garbage", [b"MSG a b c\r\n", b"MSG\r\n", b"HMSG a 1 2\r\n", b"HELLO\r\n", b"MSG a 1 -5\r\n", b"MSG a 1 -50\r\n"]
)
async def test_what_is_malformed_is_refused_as_nats_py_refuses_it(garbage: bytes) -> None:
    refused: list[Callable[[], object]] = []
    for parser in (Parser(Recorder()), QuickParser(Recorder(), Recorder()._process_msg)):
        try:
            await parser.parse(b"MSG a 1 2\r\nhi\r\n" + garbage)
        except errors.ProtocolError:
            refused.append(type(parser))
    assert len(refused) in (0, 2)
    assert asyncio.get_running_loop().is_running()
