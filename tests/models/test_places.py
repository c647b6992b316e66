"""A model's server is named where something is wrong with it."""

import socket
from pathlib import Path

import pytest

from clones.models.asking import Model
from clones.models.reaching import unreachable
from ops.cli.options import loaded_model

SERVED = """
provider = "autogen_ext.models.openai.OpenAIChatCompletionClient"
[config]
model = "qwen"
base_url = "http://127.0.0.1:8080/v1"
api_key = "none"
[config.model_info]
vision = false
function_calling = false
json_output = true
structured_output = true
family = "unknown"
"""


def test_what_a_request_raised_is_told_with_its_server(tmp_path: Path) -> None:
    file = tmp_path / "served.toml"
    file.write_text(SERVED)
    described = Model.load(file).client.describe(ConnectionError("refused"))
    assert described == "ConnectionError: refused (at http://127.0.0.1:8080)"


def test_a_server_that_is_not_there_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "model.toml"
    with socket.create_server(("127.0.0.1", 0)) as listening:
        file.write_text(SERVED.replace("8080", str(port := listening.getsockname()[1])))
        assert loaded_model(file) is not None
    assert caplog.messages == []
    assert loaded_model(file, look=False) is not None
    assert caplog.messages == []
    assert loaded_model(file) is not None
    (said,) = caplog.messages
    assert said.startswith(f"{file}: http://127.0.0.1:{port} cannot be reached now (Connection refused); ")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert unreachable(f"http://somewhere.invalid:{port}") == ""
