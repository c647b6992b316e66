"""Connections to a real server that stops, freezes, refuses and comes back."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from nats.errors import FlushTimeoutError

from bus.connection import Connection, ConnectionState, connect
from bus.errors import AuthorizationFailed, ConfigurationError, ConnectionFailed, Disconnected
from bus.keys import new_seed
from bus.server import EmbeddedServer, ServerOptions
from bus.settings import ConnectionSettings
from tests.bus.eventually import WITHIN_S, eventually
from tests.bus.streams import api


@pytest_asyncio.fixture
async def own_server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """A server that a test may break."""
    async with EmbeddedServer(
        ServerOptions(store=tmp_path / "store", port=-1, clones={"beta": ("security",)})
    ) as running:
        yield running


@contextlib.contextmanager
def a_free_port() -> Iterator[int]:
    """A port that nobody listens on, kept for a server of ours: no other program is given it meanwhile."""
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


@contextlib.contextmanager
def a_listener() -> Any:
    """A socket that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


async def freeze(server: EmbeddedServer) -> None:
    """Stop the server as a debugger would; all its threads have stopped when this returns."""
    os.kill(server.pid, signal.SIGSTOP)
    await eventually(lambda: thread_states(server.pid) == {"T"})


def thread_states(pid: int) -> set[str]:
    return {
        (thread / "stat").read_text().rpartition(")")[2].split()[0] for thread in Path(f"/proc/{pid}/task").iterdir()
    }


async def refused(port: int) -> str:
    """What is said in the end of a server that cannot be used, once there was time for more than one attempt."""
    for wait_s in (0.3, 3.0, WITHIN_S):
        with pytest.raises(ConnectionFailed) as caught:
            await connect(settings_for(f"nats://127.0.0.1:{port}"), name="test", wait_s=wait_s)
        if "no answer in time" not in caught.value.message:
            break
    return caught.value.message


def settings_for(url: str, **others: Any) -> ConnectionSettings:
    return ConnectionSettings(servers=(url,), source="NATS_URL", **others)


class TestStart:
    async def test_nobody_listens(self) -> None:
        with a_free_port() as port:
            said = await asyncio.wait_for(refused(port), 3 * WITHIN_S)
        assert said.startswith(f"cannot connect to nats://127.0.0.1:{port} (from NATS_URL): nobody listens there")

    async def test_what_listens_is_silent(self) -> None:
        with a_listener() as listener, pytest.raises(ConnectionFailed, match="no answer in time"):
            await connect(settings_for(f"nats://127.0.0.1:{listener.getsockname()[1]}"), name="test", wait_s=0.3)

    async def test_what_listens_is_no_nats_server(self) -> None:
        async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail.example.org\r\n")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(greet, "127.0.0.1", 0) as other:
            assert "what answers there is no NATS server" in await refused(other.sockets[0].getsockname()[1])

    async def test_an_unknown_key_is_refused_at_once(self, own_server: EmbeddedServer, tmp_path: Path) -> None:
        seed = tmp_path / "unknown.nk"
        seed.write_text(new_seed())
        with pytest.raises(
            AuthorizationFailed, match=rf"{own_server.url} \(from NATS_URL\) refused us with the nkey in {seed}"
        ):
            await connect(
                settings_for(own_server.url, nkey=seed), name="test"
            )  # no wait_s: a daemon does not retry this

    async def test_a_wrong_password_is_refused_without_showing_it(self, own_server: EmbeddedServer) -> None:
        with pytest.raises(AuthorizationFailed, match="as user 'me'") as caught:
            await connect(settings_for(own_server.url, user="me", password="hunter2"), name="test", wait_s=WITHIN_S)
        assert "hunter2" not in caught.value.message

    async def test_a_file_that_holds_nothing_usable(self, own_server: EmbeddedServer, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_text("nonsense")
        with pytest.raises(ConfigurationError, match="holds no user seed"):
            await connect(settings_for(own_server.url, nkey=path), name="test")
        with pytest.raises(ConfigurationError, match="is no credentials file"):
            await connect(settings_for(own_server.url, creds=path), name="test")
        with pytest.raises(ConfigurationError, match="holds no certificates"):
            await connect(settings_for(own_server.url, ca=path), name="test")

    async def test_a_daemon_waits_for_the_server_and_says_so(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("bus.connection._REPEAT_S", 600.0)
        with a_free_port() as port:
            options = ServerOptions(store=tmp_path / "store", port=port)
            async with EmbeddedServer(options) as first:
                settings = first.settings_for("operator")
            waiting = asyncio.create_task(connect(settings, name="daemon"))
            await eventually(lambda: "nobody listens there" in caplog.text)
            async with EmbeddedServer(options), await asyncio.wait_for(waiting, WITHIN_S) as connection:
                assert connection.is_connected
        complaints = [record for record in caplog.records if "nobody listens" in record.getMessage()]
        assert len(complaints) == 1

    async def test_a_cancelled_start_leaves_nothing_behind(self) -> None:
        with a_listener() as listener:
            before = asyncio.all_tasks()
            starting = asyncio.create_task(
                connect(settings_for(f"nats://127.0.0.1:{listener.getsockname()[1]}"), name="test")
            )
            peer, _ = await asyncio.to_thread(listener.accept)
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
            await eventually(lambda: asyncio.all_tasks() == before)
            assert await asyncio.to_thread(peer.recv, 1) == b""  # hung up
            peer.close()

    async def test_the_name_and_the_inbox_are_its_own(self, own_server: EmbeddedServer) -> None:
        async with await connect(own_server.settings_for("beta"), name="beta-1", wait_s=WITHIN_S) as connection:
            assert connection.client.new_inbox().startswith("_INBOX_beta.")
            assert connection.client.options["name"] == "beta-1"


class TestBreaks:
    async def test_states_and_subscriptions_over_a_killed_server(self, own_server: EmbeddedServer) -> None:
        states: list[ConnectionState] = []
        async with await connect(
            own_server.settings_for("operator"), name="test", on_state=states.append, wait_s=5
        ) as connection:
            subscription = await connection.client.subscribe("hello")
            await own_server.kill()
            await eventually(lambda: states == [ConnectionState.CONNECTED, ConnectionState.DISCONNECTED])
            with pytest.raises(Disconnected, match=f"not connected to {own_server.url}"):
                await connection.publish("hello", b"lost")
            await own_server.restart()
            await eventually(lambda: connection.is_connected)
            await connection.publish("hello", b"back")
            assert (await subscription.next_msg(timeout=WITHIN_S)).data == b"back"
            await eventually(lambda: states[-1] is ConnectionState.RECONNECTED)
        assert [str(state) for state in states] == ["connected", "disconnected", "reconnected", "closed"]
        with pytest.raises(Disconnected):
            await connection.publish("hello", b"")

    async def test_a_callback_that_fails_does_no_harm(
        self, own_server: EmbeddedServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(state: ConnectionState) -> None:
            raise RuntimeError(f"no good: {state}")

        async with await connect(
            own_server.settings_for("operator"), name="test", on_state=fail, wait_s=5
        ) as connection:
            await own_server.kill()
            await own_server.restart()
            await eventually(lambda: connection.state is ConnectionState.RECONNECTED)
        assert "no good: reconnected" in caplog.text

    async def test_a_frozen_server_is_noticed_within_seconds_whatever_is_unsent(
        self, own_server: EmbeddedServer
    ) -> None:
        async with await connect(own_server.settings_for("operator"), name="test", wait_s=WITHIN_S) as connection:
            subscription = await connection.client.subscribe("hello")
            await connection.client.flush()
            await freeze(own_server)
            try:
                # More than the kernel's buffers take: a graceful close would wait on the rest for as long as it is frozen.
                with pytest.raises(Disconnected):
                    await asyncio.wait_for(_flood(connection), WITHIN_S)
                # It tries again already, rather than wait for the old socket.
                await eventually(lambda: _attempts(connection) >= 1)
            finally:
                os.kill(own_server.pid, signal.SIGCONT)
            await eventually(lambda: connection.state is ConnectionState.RECONNECTED)
            await connection.publish("hello", b"back")
            assert (await subscription.next_msg(timeout=WITHIN_S)).data == b"back"

    async def test_what_was_unsent_at_a_break_is_not_sent_late(self, own_server: EmbeddedServer) -> None:
        async with await connect(own_server.settings_for("operator"), name="test", wait_s=WITHIN_S) as connection:
            await api(connection.client, "STREAM.CREATE.LATE", {"name": "LATE", "subjects": ["late"]})
            await freeze(own_server)
            flood = asyncio.create_task(_flood(connection))
            # Once the flood fills the socket not even a PING gets out: what is published now stays with the client.
            await eventually(lambda: connection.client.pending_data_size == len("PING\r\n"))
            with contextlib.suppress(Disconnected):
                await connection.publish("late", b"too late")
            with pytest.raises(Disconnected):
                await asyncio.wait_for(flood, WITHIN_S)
            await own_server.kill()
            await own_server.restart()
            await eventually(lambda: connection.is_connected)
            await connection.client.request("late", b"in time", timeout=WITHIN_S)
            assert (await api(connection.client, "STREAM.INFO.LATE"))["state"]["messages"] == 1

    async def test_an_error_of_the_server_that_ends_the_connection_does_not_end_the_client(
        self, own_server: EmbeddedServer
    ) -> None:
        states: list[ConnectionState] = []
        async with await connect(
            own_server.settings_for("operator"), name="test", on_state=states.append, wait_s=5
        ) as connection:
            client: Any = connection.client
            client._max_payload = (
                2**31
            )  # so that the server has to say no: "maximum payload violation", and it hangs up
            with contextlib.suppress(Disconnected):  # told already, where the server is quick
                await connection.publish("hello", b"x" * (9 * 1024 * 1024))
            await eventually(lambda: states[-1] is ConnectionState.RECONNECTED)
            assert (await connection.client.request("$JS.API.INFO", b"", timeout=WITHIN_S)).data

    async def test_an_unexpected_error_while_reconnecting_is_not_the_end(
        self, own_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr("bus.steady_client._RETRY_WAIT_S", 0.01)
        async with await connect(own_server.settings_for("operator"), name="test", wait_s=WITHIN_S) as connection:
            right, tries = connection.client._connect_command, iter([LookupError("unforeseen")])

            def wrong_once() -> bytes:
                for error in tries:
                    raise error
                return right()

            monkeypatch.setattr(connection.client, "_connect_command", wrong_once)
            await own_server.kill()
            await own_server.restart()
            await eventually(lambda: connection.state is ConnectionState.RECONNECTED)
        assert "unforeseen" in caplog.text

    async def test_a_flush_that_timed_out_does_not_deafen(self, own_server: EmbeddedServer) -> None:
        async with await connect(own_server.settings_for("operator"), name="test", wait_s=WITHIN_S) as connection:
            await freeze(own_server)
            try:
                with pytest.raises(TimeoutError):
                    await connection.client.flush(timeout=1)
            finally:
                os.kill(own_server.pid, signal.SIGCONT)
            await connection.client.flush()
            assert connection.state is ConnectionState.CONNECTED

    async def test_a_flush_ends_with_the_connection(
        self, own_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("bus.connect_options.PING_INTERVAL_S", WITHIN_S)
        async with await connect(own_server.settings_for("operator"), name="test", wait_s=WITHIN_S) as connection:
            client: Any = connection.client
            await freeze(own_server)
            flushing = asyncio.create_task(client.flush(timeout=10 * WITHIN_S))
            await eventually(lambda: bool(client._pongs))
            await own_server.kill()
            with pytest.raises(FlushTimeoutError):
                await asyncio.wait_for(asyncio.shield(flushing), WITHIN_S)
            await own_server.restart()
            await eventually(lambda: connection.is_connected)
            await client.flush()

    async def test_a_flush_confirms_what_came_before_it(self, own_server: EmbeddedServer) -> None:
        async with await connect(own_server.settings_for("beta"), name="test", wait_s=WITHIN_S) as connection:
            for round_ in range(1, 51):
                # The server's answer to this publish is on its way before the flush's is.
                await connection.publish("sanctuary.command.security")
                await connection.client.flush()
                assert len(connection.refusals) == round_


class TestReports:
    async def test_a_refusal_is_told_and_logged_once(
        self, own_server: EmbeddedServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with await connect(own_server.settings_for("beta"), name="beta", wait_s=WITHIN_S) as connection:
            for _ in range(3):
                await connection.publish("sanctuary.settle.Other.x", b"")
            await connection.client.flush()
            assert [refusal.operation for refusal in connection.refusals] == ["publish"] * 3
        assert caplog.text.count("does not let us publish on sanctuary.settle.other.x") == 1

    async def test_a_handler_that_fails_is_logged_and_the_next_message_handled(
        self, own_server: EmbeddedServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        heard: list[bytes] = []

        async def handle(message: Any) -> None:
            if message.data == b"bad":
                raise LookupError("this one")
            heard.append(message.data)

        async with await connect(own_server.settings_for("operator"), name="test", wait_s=WITHIN_S) as connection:
            await connection.client.subscribe("hello", cb=handle)
            await connection.publish("hello", b"bad")
            await connection.publish("hello", b"good")
            await eventually(lambda: heard == [b"good"])
        failures = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert [str(record.exc_info[1]) for record in failures if record.exc_info] == ["this one"]

    async def test_messages_that_come_too_fast_are_told(
        self, own_server: EmbeddedServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with await connect(own_server.settings_for("operator"), name="test", wait_s=WITHIN_S) as connection:
            await connection.client.subscribe("fast", pending_msgs_limit=1)
            for _ in range(10):
                await connection.publish("fast", b"")
            await connection.client.flush()
            assert connection.is_connected
        assert caplog.text.count("messages on fast came faster than they were handled") == 1

    async def test_headers_of_the_caller_are_left_alone(self, own_server: EmbeddedServer) -> None:
        headers = {"Content-Type": "application/json"}
        async with await connect(own_server.settings_for("operator"), name="test", wait_s=WITHIN_S) as connection:
            subscription = await connection.client.subscribe("hello")
            await connection.publish("hello", b"{}", headers=headers)
            assert (await subscription.next_msg(timeout=WITHIN_S)).headers == headers
        assert headers == {"Content-Type": "application/json"}

    async def test_monitoring_shows_the_name(self, own_server: EmbeddedServer) -> None:
        async with await connect(own_server.settings_for("operator"), name="watch me", wait_s=WITHIN_S):
            host, port = own_server.network.monitoring_url.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET /connz HTTP/1.0\r\n\r\n")
            body = (await reader.read()).partition(b"\r\n\r\n")[2]
            writer.close()
            assert [entry["name"] for entry in msgspec.json.decode(body)["connections"]] == ["watch me"]


async def _flood(connection: Connection) -> None:
    for _ in range(64):
        await connection.publish("flood", b"x" * 1024 * 1024)


def _attempts(connection: Connection) -> int:
    return max(server.reconnects for server in connection.client.server_pool)
