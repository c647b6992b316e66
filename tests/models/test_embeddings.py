"""`sanctuary ask --embeddings`, against a real endpoint. What so small a model thinks alike is worth nothing, and no matter here."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.models.endpoint import NAME, endpoint

Ask = Callable[..., subprocess.CompletedProcess[str]]
TEXTS = {
    "drawers.md": "# Drawers\n\nHow one is opened.\n",
    "weather.md": "# Weather\n\nIt rains in spring.\n",
    "coins.md": "# Coins\n\nSmall money.\n",
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with endpoint(tmp_path_factory.mktemp("embeddings") / "log", embeddings=True) as served:
        yield f"{served}/v1"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    target = tmp_path / "shop"
    target.mkdir()
    for name, text in TEXTS.items():
        (target / name).write_text(text)
    return target


@pytest.fixture
def ask(tmp_path: Path, shop: Path) -> Ask:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("NATS_", "OPENAI_", "SANCTUARY_"))
    }
    own = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "SANCTUARY_STORE": str(tmp_path / "no-network")}

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ops.cli", "ask", "opened drawers", "-t", str(shop), *arguments],
            env={**inherited, **own, **variables},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


def kept(tmp_path: Path) -> list[tuple[int, str]]:
    path = tmp_path / "cache/sanctuary/embeddings.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT id, model FROM vectors ORDER BY id").fetchall()


@pytest.mark.timeout(600)
def test_each_text_is_embedded_once_and_what_no_word_finds_is_found(
    ask: Ask, address: str, shop: Path, tmp_path: Path
) -> None:
    at = {"OPENAI_BASE_URL": address, "OPENAI_API_KEY": "none"}
    by_words = json.loads(ask("--json").stdout)["answers"]
    told = ask("--json", "--embeddings", NAME, **at)
    assert told.returncode == 0, told.stderr
    answers = json.loads(told.stdout)["answers"]
    assert [each["file"] for each in by_words] == ["drawers.md"]
    assert (answers[0]["file"], {each["file"] for each in answers}) == ("drawers.md", {*TEXTS})
    first = kept(tmp_path)
    assert len({model for _, model in first}) == 1
    assert "127.0.0.1" not in str(first)

    assert json.loads(ask("--json", SANCTUARY_EMBEDDINGS=NAME, **at).stdout)["answers"] == answers
    assert kept(tmp_path) == first
    (shop / "coins.md").write_text(TEXTS["coins.md"] + "\nAnd notes.\n")
    assert ask("--embeddings", NAME, **at).returncode == 0
    assert len(kept(tmp_path)) == len(first) + 1


@pytest.mark.timeout(600)
def test_what_is_wrong_is_said_in_one_line(ask: Ask, address: str) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # taken, and nobody listens
        port = deaf.getsockname()[1]
        nobody = ask(
            "--embeddings", NAME, OPENAI_BASE_URL=f"http://127.0.0.1:{port}/v1", OPENAI_API_KEY="sk-my-own-key"
        )
    no_key = ask("--embeddings", NAME, OPENAI_BASE_URL=address)
    no_such = ask("--embeddings", NAME, OPENAI_BASE_URL=address.replace("/v1", "/v7"), OPENAI_API_KEY="sk-my-own-key")
    for failed in (nobody, no_key, no_such):
        assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (1, "", 1), failed.stderr
        assert "or ask without --embeddings" in failed.stderr
        assert "sk-my-own-key" not in failed.stderr
    assert f"{NAME} at http://127.0.0.1:{port}: APIConnectionError" in nobody.stderr
    assert "OPENAI_API_KEY" in no_key.stderr
    assert "404" in no_such.stderr
