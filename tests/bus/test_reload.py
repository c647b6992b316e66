"""Clones' rights change while the server runs: nobody is cut off, and nothing is lost."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest
from nats.aio.msg import Msg

from bus.connection import Connection, ConnectionState, connect
from bus.errors import ServerFailed
from bus.server import EmbeddedServer, ServerOptions
from bus.store import read_network
from tests.bus.eventually import WITHIN_S, eventually
from tests.bus.streams import LEDGER, RESULTS, api

CLONES = {"beta": ("security",), "gamma": ("architecture",)}


def options(tmp_path: Path) -> ServerOptions:
    return ServerOptions(store=tmp_path / "store", port=-1, clones=CLONES)


async def is_ok(server: EmbeddedServer) -> bool:
    return (await server.health()).ok


async def may_settle(connection: Connection, task_type: str, task_id: str) -> bool:
    """Settle a task, and say whether the server let us."""
    subject = f"sanctuary.settle.{task_type}.{task_id}"
    before = len(connection.refusals)
    await connection.publish(subject, b"{}")
    await connection.client.flush()
    return len(connection.refusals) == before


async def test_rights_change_under_clients_that_stay_connected(tmp_path: Path) -> None:
    states: list[ConnectionState] = []
    async with (
        EmbeddedServer(options(tmp_path)) as server,
        await connect(server.settings_for("operator"), name="operator", wait_s=WITHIN_S) as operator,
        await connect(server.settings_for("beta"), name="beta", on_state=states.append, wait_s=WITHIN_S) as beta,
        await connect(server.settings_for("gamma"), name="gamma", on_state=states.append, wait_s=WITHIN_S) as gamma,
        await connect(server.anonymous_settings(), name="anybody", on_state=states.append, wait_s=WITHIN_S) as anybody,
    ):
        for stream in (RESULTS, LEDGER):
            await api(operator.client, f"STREAM.CREATE.{stream['name']}", stream)
        asked: asyncio.Future[Msg] = asyncio.Future()

        async def hear(message: Msg) -> None:
            asked.set_result(message)

        await operator.client.subscribe("sanctuary.call.security", cb=hear)
        results = await anybody.client.subscribe("sanctuary.result.translate.*")
        await operator.client.flush()
        calling = asyncio.create_task(anybody.client.request("sanctuary.call.security", b"{}", timeout=3 * WITHIN_S))
        call = await asyncio.wait_for(asked, WITHIN_S)

        await server.reload({"beta": ("architecture",), "translator": ("translate",)})

        # What runs under the rights of before may end.
        assert [await may_settle(beta, name, "t") for name in ("security", "architecture")] == [True, True]
        assert await may_settle(gamma, "architecture", "u")
        assert not await may_settle(gamma, "translate", "u")
        async with await connect(server.settings_for("translator"), name="translator", wait_s=WITHIN_S) as translator:
            assert await may_settle(translator, "translate", "v")
            assert not await may_settle(translator, "security", "v")
        assert (await results.next_msg(timeout=WITHIN_S)).subject == "sanctuary.result.translate.v"
        await call.respond(b"a late answer")
        assert (await calling).data == b"a late answer"
        assert states == [ConnectionState.CONNECTED] * 3
        await eventually(lambda: is_ok(server))
        assert read_network(tmp_path / "store") == server.network
        assert server.network.users == ("operator", "omega", "agents", "notary", "beta", "gamma", "translator")


async def test_a_restart_and_a_later_start_keep_the_rights(tmp_path: Path) -> None:
    async with EmbeddedServer(options(tmp_path)) as server:
        await server.reload({"beta": ("architecture",), "translator": ("translate",)})
        async with await connect(server.settings_for("translator"), name="translator", wait_s=WITHIN_S) as translator:
            await server.restart()
            await eventually(lambda: translator.state is ConnectionState.RECONNECTED)
            assert await may_settle(translator, "translate", "t")
    async with EmbeddedServer(options(tmp_path)) as server:
        async with await connect(server.settings_for("translator"), name="translator", wait_s=WITHIN_S) as translator:
            assert await may_settle(translator, "translate", "t")
        for name in ("beta", "gamma"):
            async with await connect(server.settings_for(name), name=name, wait_s=WITHIN_S) as clone:
                allowed = [await may_settle(clone, task_type, "t") for task_type in ("security", "architecture")]
                assert allowed == [False, name == "beta"]


async def test_a_reload_while_the_server_is_down_comes_with_its_restart(tmp_path: Path) -> None:
    async with EmbeddedServer(options(tmp_path)) as server:
        await server.kill()
        await server.reload({"translator": ("translate",)})
        await server.restart()
        async with await connect(server.settings_for("translator"), name="translator", wait_s=WITHIN_S) as translator:
            assert await may_settle(translator, "translate", "t")


async def test_what_is_the_same_is_not_loaded_again(tmp_path: Path) -> None:
    async with EmbeddedServer(options(tmp_path)) as server:
        await server.reload(CLONES)
        await server.reload({"beta": ("testing",)})
        await server.reload({"beta": ("testing",)})
    assert (tmp_path / "store" / "nats-server.log").read_text().count('Trapped "hangup"') == 1


async def test_a_server_that_does_not_take_it_is_told_and_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with EmbeddedServer(options(tmp_path)) as server:
        os.kill(server.pid, signal.SIGSTOP)
        try:
            with monkeypatch.context() as hasty:
                hasty.setattr("bus.server.RELOAD_TIMEOUT_S", 0.2)
                hasty.setattr("bus.server_checks._ANSWER_TIMEOUT_S", 0.1)
                with pytest.raises(
                    ServerFailed, match=r"did not take a new configuration within 0\.2 s; its log says why"
                ):
                    await server.reload({"translator": ("translate",)})
        finally:
            os.kill(server.pid, signal.SIGCONT)
        await server.reload({"translator": ("translate",)})
        assert "translator" in server.network.users


async def test_a_server_that_did_not_say_what_it_had_before_is_not_believed_to_have_taken_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["", "then", "then", "", "now"])
    async with EmbeddedServer(options(tmp_path)) as server:
        monkeypatch.setattr("bus.server.ask_loaded_at", lambda _: next(answers))
        await server.reload({"translator": ("translate",)})
    assert list(answers) == []


async def test_only_a_running_server_is_reloaded(tmp_path: Path) -> None:
    server = EmbeddedServer(options(tmp_path))
    with pytest.raises(ServerFailed, match="was not started"):
        await server.reload({})
    await server.start()
    await server.stop()
    with pytest.raises(ServerFailed, match="was not started"):
        await server.reload({})


async def test_a_damaged_list_of_clones_is_as_none(tmp_path: Path) -> None:
    store = tmp_path / "store"
    async with EmbeddedServer(options(tmp_path)) as server:
        await server.reload({"translator": ("translate",)})
    assert json.loads((store / "clones.json").read_text())["translator"] == ["translate"]
    (store / "clones.json").write_text("{")
    async with EmbeddedServer(options(tmp_path)) as server:
        assert server.network.users == ("operator", "omega", "agents", "notary", "beta", "gamma")
