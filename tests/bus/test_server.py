"""The embedded server: starting, failing in words, its store, its end."""

import asyncio
import fcntl
import json
import os
import resource
import signal
import socket
import stat
import sys
from pathlib import Path

import pytest

from bus.connection import ConnectionState, connect
from bus.errors import ConfigurationError, ServerFailed, StoreInUse
from bus.server import EmbeddedServer, ServerOptions
from bus.server_checks import ServerHealth
from bus.store import read_network
from tests.bus.eventually import WITHIN_S, eventually
from tests.bus.streams import LEDGER, api

CLONES = {"beta": ("security",)}


def options(tmp_path: Path, **changes: object) -> ServerOptions:
    return ServerOptions(**{"store": tmp_path / "store", "port": -1, "clones": CLONES, **changes})  # type: ignore[arg-type]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A process that nobody has waited for is dead all the same.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False  # it went meanwhile


async def is_ok(server: EmbeddedServer) -> bool:
    return await server.health() == ServerHealth(ok=True, detail="ok")


async def complains_of(server: EmbeddedServer, what: str) -> bool:
    health = await server.health()
    return not health.ok and what in health.detail


class TestLife:
    async def test_what_is_stored_outlives_the_server(self, tmp_path: Path) -> None:
        async with EmbeddedServer(options(tmp_path)) as server:
            key = server.keys["beta"].read_text()
            async with await connect(server.settings_for("operator"), name="test", wait_s=WITHIN_S) as connection:
                await api(connection.client, "STREAM.CREATE.SANCTUARY_LEDGER", {**LEDGER, "sources": []})
                await connection.client.request("sanctuary.task.security", b"kept", timeout=WITHIN_S)
        async with EmbeddedServer(options(tmp_path)) as server:
            assert server.keys["beta"].read_text() == key
            async with await connect(server.settings_for("operator"), name="test", wait_s=WITHIN_S) as connection:
                assert (await api(connection.client, "STREAM.INFO.SANCTUARY_LEDGER"))["state"]["messages"] == 1

    async def test_a_crash_and_a_restart_keep_port_and_acknowledged_messages(self, tmp_path: Path) -> None:
        async with EmbeddedServer(options(tmp_path)) as server:
            url, pid = server.url, server.pid
            async with await connect(server.settings_for("operator"), name="test", wait_s=WITHIN_S) as connection:
                await api(connection.client, "STREAM.CREATE.SANCTUARY_LEDGER", {**LEDGER, "sources": []})
                await connection.client.request("sanctuary.task.security", b"kept", timeout=WITHIN_S)
                ended = asyncio.create_task(server.wait())
                await server.kill()
                assert await ended == -signal.SIGKILL
                assert not await is_ok(server)
                await server.restart()
                assert (server.url, server.pid != pid) == (url, True)
                await eventually(lambda: connection.state is ConnectionState.RECONNECTED)
                assert (await api(connection.client, "STREAM.INFO.SANCTUARY_LEDGER"))["state"]["messages"] == 1
                await eventually(lambda: is_ok(server))

    @pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's own")
    async def test_a_stream_that_cannot_be_written_is_noticed_and_a_restart_heals_it(self, tmp_path: Path) -> None:
        async with (
            EmbeddedServer(options(tmp_path)) as server,
            await connect(server.settings_for("operator"), name="test", wait_s=WITHIN_S) as connection,
        ):
            await api(connection.client, "STREAM.CREATE.SANCTUARY_LEDGER", {**LEDGER, "sources": []})
            await connection.client.request("sanctuary.task.security", b"kept", timeout=WITHIN_S)
            await eventually(lambda: is_ok(server))
            # No file may grow: for a write that is what a full disk is.
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (1000, 1000))
            await connection.publish("sanctuary.task.security", b"x" * 100_000)
            await connection.client.flush()
            await eventually(lambda: complains_of(server, "SANCTUARY_LEDGER"))
            await server.restart()
            await eventually(lambda: connection.state is ConnectionState.RECONNECTED)
            await eventually(lambda: is_ok(server))
            await connection.client.request("sanctuary.task.security", b"again", timeout=WITHIN_S)
            assert (await api(connection.client, "STREAM.INFO.SANCTUARY_LEDGER"))["state"]["messages"] == 2

    async def test_stopping_ends_the_process_and_is_harmless_twice(self, tmp_path: Path) -> None:
        server = EmbeddedServer(options(tmp_path))
        await server.start()
        pid = server.pid
        await server.stop()
        await server.stop()
        assert not alive(pid)

    async def test_what_was_not_started_says_so(self, tmp_path: Path) -> None:
        server = EmbeddedServer(options(tmp_path))
        with pytest.raises(ServerFailed, match="was not started"):
            _ = server.url
        with pytest.raises(ServerFailed, match="was not started"):
            await server.restart()

    async def test_ctrl_c_at_the_terminal_is_not_for_the_server(self, tmp_path: Path) -> None:
        async with EmbeddedServer(options(tmp_path)) as server:
            assert os.getpgid(server.pid) != os.getpgid(0)

    async def test_the_store_is_private(self, tmp_path: Path) -> None:
        async with EmbeddedServer(options(tmp_path)) as server:
            store = tmp_path / "store"
            modes = {name: stat.S_IMODE((store / name).stat().st_mode) for name in (".", "keys", "nats-server.json")}
            assert modes == {".": 0o700, "keys": 0o700, "nats-server.json": 0o600}
            assert {name: stat.S_IMODE(path.stat().st_mode) for name, path in server.keys.items()} == dict.fromkeys(
                ("operator", "omega", "agents", "notary", "beta"), 0o600
            )
            assert "SU" not in (store / "network.json").read_text()

    @pytest.mark.parametrize(
        ("durability", "interval", "always"), [("100ms", 100_000_000, False), ("always", None, True)]
    )
    async def test_durability_is_what_was_asked_for(
        self, tmp_path: Path, durability: str, interval: int | None, always: bool
    ) -> None:
        async with EmbeddedServer(options(tmp_path, durability=durability)) as server:
            host, port = server.network.monitoring_url.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET /jsz HTTP/1.0\r\n\r\n")
            config = json.loads((await reader.read()).partition(b"\r\n\r\n")[2])["config"]
            writer.close()
        assert config.get("sync_always", False) is always
        assert interval is None or config["sync_interval"] == interval
        assert config["max_storage"] == server.max_file_bytes


class TestOneServerForEachStore:
    async def test_a_second_start_says_who_has_it(self, tmp_path: Path) -> None:
        async with EmbeddedServer(options(tmp_path)) as server:
            with pytest.raises(
                StoreInUse,
                match=rf"store {tmp_path}/store is in use by process {os.getpid()} with a server at {server.url}",
            ):
                await EmbeddedServer(options(tmp_path)).start()
            assert read_network(tmp_path / "store") == server.network
            await eventually(lambda: is_ok(server))

    async def test_network_json_is_believed_only_while_the_store_is_held(self, tmp_path: Path) -> None:
        store = tmp_path / "store"
        assert read_network(store) is None
        async with EmbeddedServer(options(tmp_path)):
            text = (store / "network.json").read_text()
            assert read_network(store) is not None
        assert read_network(store) is None
        (store / "network.json").write_text(text)  # as kill -9 leaves it
        assert read_network(store) is None
        async with EmbeddedServer(options(tmp_path)) as server:
            assert read_network(store) == server.network

    async def test_readers_do_not_keep_a_server_from_starting(self, tmp_path: Path) -> None:
        async with EmbeddedServer(options(tmp_path)):
            text = (tmp_path / "store" / "network.json").read_text()
        (tmp_path / "store" / "network.json").write_text(text)
        reading = True

        def read() -> None:
            while reading:
                read_network(tmp_path / "store")

        reader = asyncio.create_task(asyncio.to_thread(read))
        try:
            async with EmbeddedServer(options(tmp_path)):
                pass
        finally:
            reading = False
            await reader

    async def test_a_reader_that_is_slow_is_waited_for(self, tmp_path: Path) -> None:
        async with EmbeddedServer(options(tmp_path)):
            pass
        reader = os.open(tmp_path / "store" / "lock", os.O_RDONLY)
        fcntl.flock(reader, fcntl.LOCK_SH)
        server = EmbeddedServer(options(tmp_path))
        starting = asyncio.create_task(server.start())
        await asyncio.wait({starting}, timeout=0.5)
        os.close(reader)
        await starting
        await server.stop()

    async def test_a_local_command_line_connects_from_network_json(self, tmp_path: Path) -> None:
        async with EmbeddedServer(options(tmp_path)):
            network = read_network(tmp_path / "store")
            assert network is not None
            async with await connect(network.settings_for("operator"), name="cli", wait_s=WITHIN_S) as connection:
                assert connection.refusals == ()
            with pytest.raises(
                ConfigurationError, match="has no user 'nobody'; it has operator, omega, agents, notary, beta"
            ):
                network.settings_for("nobody")


STARTER = """
import asyncio, sys
from pathlib import Path
from bus.server import EmbeddedServer, ServerOptions
from bus.server_checks import ServerHealth
async def main():
    server = EmbeddedServer(ServerOptions(store=Path(sys.argv[1]), port=-1))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


async def start_elsewhere(store: Path) -> tuple[asyncio.subprocess.Process, int]:
    starter = await asyncio.create_subprocess_exec(sys.executable, "-c", STARTER, store, stdout=asyncio.subprocess.PIPE)
    assert starter.stdout is not None
    return starter, int(await asyncio.wait_for(starter.stdout.readline(), 2 * WITHIN_S))


class TestTheStarterIsKilled:
    @pytest.mark.skipif(
        sys.platform != "linux", reason="the kernel's request is Linux's own; elsewhere the orphan is told of"
    )
    async def test_the_server_goes_with_it(self, tmp_path: Path) -> None:
        starter, pid = await start_elsewhere(tmp_path / "store")
        starter.kill()
        await starter.wait()
        await eventually(lambda: not alive(pid))
        await eventually(lambda: read_network(tmp_path / "store") is None)

    async def test_a_start_right_after_waits_for_the_store(self, tmp_path: Path) -> None:
        starter, pid = await start_elsewhere(tmp_path / "store")
        os.kill(pid, signal.SIGSTOP)  # it cannot leave at once
        starter.kill()
        await starter.wait()
        server = EmbeddedServer(options(tmp_path))
        starting = asyncio.create_task(server.start())
        await asyncio.wait({starting}, timeout=0.5)
        assert not starting.done()
        os.kill(pid, signal.SIGCONT)
        await asyncio.wait_for(starting, WITHIN_S)
        await eventually(lambda: is_ok(server))
        await server.stop()

    async def test_a_server_that_does_not_go_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("bus.store._ORPHAN_WAIT_S", 0.3)
        starter, pid = await start_elsewhere(tmp_path / "store")
        os.kill(pid, signal.SIGSTOP)
        try:
            starter.kill()
            await starter.wait()
            with pytest.raises(StoreInUse, match=rf"held by process {pid}, left over from a start that was killed"):
                await EmbeddedServer(options(tmp_path)).start()
        finally:
            os.kill(pid, signal.SIGKILL)


class TestFailuresInWords:
    async def test_a_port_that_is_taken(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            with pytest.raises(
                ServerFailed, match=rf"port {port} on 127.0.0.1 is taken by another program.*-1 for any free one"
            ):
                await EmbeddedServer(options(tmp_path, port=port)).start()
        async with EmbeddedServer(options(tmp_path)) as server:  # the store was let go
            await eventually(lambda: is_ok(server))

    async def test_an_address_of_another_machine(self, tmp_path: Path) -> None:
        with pytest.raises(ServerFailed, match=r"192\.0\.2\.1 is no address of this machine"):
            await EmbeddedServer(options(tmp_path, host="192.0.2.1")).start()

    async def test_a_store_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "store").write_text("")
        with pytest.raises(ServerFailed, match=r"the store directory .*/store cannot be used: .*Name another one"):
            await EmbeddedServer(options(tmp_path)).start()

    async def test_a_full_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("bus.server_checks._MINIMUM_DISK_BYTES", 2**62)
        with pytest.raises(ServerFailed, match=r"the disk of the store .* is full: \d+ MiB are free"):
            await EmbeddedServer(options(tmp_path)).start()

    async def test_a_damaged_key(self, tmp_path: Path) -> None:
        async with EmbeddedServer(options(tmp_path)) as server:
            key = server.keys["beta"]
        key.write_text("")
        with pytest.raises(ConfigurationError, match=f"{key} holds no user seed"):
            await EmbeddedServer(options(tmp_path)).start()

    async def test_anything_else_comes_with_the_server_s_last_words(self, tmp_path: Path) -> None:
        store = tmp_path / "store"
        store.mkdir()
        (store / "jetstream").write_text("in the way")
        with pytest.raises(
            ServerFailed,
            match=r"nats-server ended at once; it said .*nats-server\.log\):\n.*\[FTL\] .*storage directory is not a directory",
        ):
            await EmbeddedServer(options(tmp_path)).start()

    async def test_a_realm_that_is_no_token(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="is no subject token"):
            EmbeddedServer(options(tmp_path, realm="My Realm"))


async def test_two_realms_have_accounts_of_their_own(tmp_path: Path) -> None:
    async with (
        EmbeddedServer(options(tmp_path, realm="team-a")) as server,
        await connect(server.anonymous_settings(), name="test", wait_s=WITHIN_S) as connection,
    ):
        await connection.publish("team-a.task.security", b"{}")
        await connection.publish("sanctuary.task.security", b"{}")
        await connection.client.flush()
        assert [refusal.subject for refusal in connection.refusals] == ["sanctuary.task.security"]


async def test_a_host_that_others_reach_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with EmbeddedServer(options(tmp_path, host="0.0.0.0")) as server:  # noqa: S104  what is warned of
        assert server.url.startswith("nats://127.0.0.1:")
    assert "whoever reaches it may submit tasks" in caplog.text
