"""As whom commands connect where credentials are given and no server is named."""

import logging
from pathlib import Path

import pytest

import ops.connect
from bus.errors import ConfigurationError
from bus.keys import new_seed
from bus.server import EmbeddedServer
from ops.connect import Where
from ops.doctor.network import check_network


@pytest.fixture(autouse=True)
def _nothing_else_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*ops.connect.CREDENTIALS, "NATS_URL", "NATS_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def elsewhere(tmp_path: Path) -> Where:
    """A store that nothing runs on, which the user did not choose."""
    return Where(None, None, tmp_path / "store", "sanctuary")


async def test_the_default_server_is_met_with_the_credentials_of_the_environment(
    server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ops.connect, "DEFAULT_URL", server.url)
    monkeypatch.setenv("NATS_NKEY", str(server.keys["operator"]))
    where = elsewhere(tmp_path)
    assert where.unused() == ""
    assert where.settings().source.startswith("the default, as no server is named")
    async with where.open("test") as network:
        assert network.client.is_connected
        # The operator alone may read what is stored.
        assert (await network.client.jetstream().account_info()).streams >= 0


async def test_a_key_that_is_none_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "garbage.nk"
    key.write_text("garbage\n")
    monkeypatch.setenv("NATS_NKEY", str(key))
    with pytest.raises(ConfigurationError, match=str(key)):
        async with elsewhere(tmp_path).open("test"):
            pass


async def test_credentials_that_a_network_s_own_keys_replace_are_named(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NATS_NKEY", str(server.keys["agents"]))
    where = Where(None, None, server.options.store, server.options.realm)
    with caplog.at_level(logging.WARNING):
        async with where.open("test"):
            pass
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["NATS_NKEY is not used"]
    monkeypatch.setenv("NATS_URL", server.url)
    assert where.unused() == ""


async def test_the_doctor_tells_what_is_wrong_with_the_credentials(
    server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ops.connect, "DEFAULT_URL", server.url)
    key = tmp_path / "mine.nk"
    monkeypatch.setenv("NATS_NKEY", str(key))
    for content, told in (("garbage\n", "holds no user seed"), (new_seed(), "refused us with the nkey")):
        key.write_text(content)
        (check,) = [check async for check in check_network(elsewhere(tmp_path))]
        assert (check.name, check.verdict) == ("server", "wrong")
        assert told in check.found
