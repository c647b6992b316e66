"""The file that configures a model: what it may hold, and what is said of one that cannot be used."""

import sys
from pathlib import Path

import pytest
from autogen_ext.models.replay import ReplayChatCompletionClient

from clones.models.asking import Model
from clones.models.client import endpoint_of
from clones.models.settings import Limits, ModelUnusable, Prices, read_settings
from tests.clones.models.replaying import REPLAY

TOML = """
provider = "autogen_ext.models.openai.OpenAIChatCompletionClient"
[config]
model = "gpt-4o-mini"
[limits]
timeout_s = 30
budget_usd = 2.5
[prices]
prompt = 0.15
answer = 0.6
"""
GOOD = f'provider = "{REPLAY}"\n[config]\nchat_completions = ["x"]\n'


def written(directory: Path, text: str, name: str = "model.toml") -> Path:
    path = directory / name
    path.write_text(text)
    return path


def test_a_file_gives_the_component_the_limits_and_the_prices(tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path, TOML))
    assert settings.model_name() == "gpt-4o-mini"
    assert settings.limits == Limits(timeout_s=30, budget_usd=2.5)
    assert settings.prices == Prices(prompt=0.15, answer=0.6)


def test_what_autogen_dumps_is_such_a_file(tmp_path: Path) -> None:
    dumped = ReplayChatCompletionClient(["said"]).dump_component().model_dump_json()
    assert Model.load(written(tmp_path, dumped, "model.json")).name == "ReplayChatCompletionClient"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("provider =", "model.toml is not TOML: "),
        ("[config]\n", "model.toml: Object missing required field `provider`. Its keys are provider, config"),
        (GOOD + "[limit]\n", "model.toml: Object contains unknown field `limit`. Its keys are provider, config"),
        (
            GOOD + "[limits]\ntimeout = 5\n",
            "unknown field `timeout` - at `$.limits`. The keys of [limits] are timeout_s, max_tokens, budget_usd",
        ),
        (GOOD + "[prices]\nprompt = 1\n", "`answer` - at `$.prices`. The keys of [prices] are prompt, answer"),
        ('provider = "openai"\n', "model.toml: provider: 'openai' is no class's full name, such as autogen_ext."),
        ('provider = "json.Nothing"\n', "model.toml: provider: there is no 'json.Nothing'"),
        (f'provider = "{REPLAY}"\n', "model.toml: config.chat_completions: Field required"),
        (GOOD + "[limits]\ntimeout_s = 0\n", "model.toml: Expected `float` > 0.0 - at `$.limits.timeout_s`"),
        (GOOD + "[limits]\nbudget_usd = 1\n", "model.toml: limits.budget_usd needs prices: add prices.prompt and"),
        (GOOD.replace("chat_completions", "chats"), "model.toml: config.chat_completions: Field required"),
        (GOOD.replace("ReplayChat", "NoChat"), "model.toml: provider: there is no 'autogen_ext.models.replay.NoChat"),
        (
            GOOD.replace(REPLAY, "nowhere.Client"),
            "model.toml: provider: 'nowhere.Client' cannot be imported: No module",
        ),
        (GOOD.replace(REPLAY, "pathlib.Path"), "model.toml: provider: 'pathlib.Path' is no model client of AutoGen's"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ModelUnusable) as raised:
        Model.load(written(tmp_path, text))
    assert says in raised.value.message
    assert raised.value.message.startswith(str(tmp_path))


@pytest.mark.parametrize("extra", ["openai", "anthropic", "ollama"])
def test_a_library_that_is_missing_is_named_with_its_extra(
    tmp_path: Path, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(f"autogen_ext.models.{extra}")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, extra, None)
    path = written(tmp_path, f'provider = "autogen_ext.models.{extra}.Client"\n[config]\n')
    with pytest.raises(ModelUnusable, match=rf"pip install 'sanctuary-bus\[{extra}\]'"):
        Model.load(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match="No such file"):
        read_settings(tmp_path / "model.toml")


@pytest.mark.parametrize(
    ("key", "address", "endpoint"),
    [
        ("base_url", "http://127.0.0.1:8080/v1", "http://127.0.0.1:8080"),
        ("base_url", "https://user:hunter22@host/hunter22?key=hunter22", "https://host"),
        ("host", "http://[::1]:11434", "http://[::1]:11434"),
        ("host", "127.0.0.1:11434", ""),
        ("model", "http://a", ""),
        ("base_url", "http://", ""),
    ],
)
def test_a_configuration_s_server_is_named_without_what_may_be_a_key(key: str, address: str, endpoint: str) -> None:
    assert endpoint_of({key: address}) == endpoint


def test_what_a_request_raised_is_told_with_its_file(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    assert Model.load(path).client.describe(ConnectionError("refused")).endswith(f" refused (configured in {path})")
