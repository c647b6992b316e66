"""The endpoint, once for all tests here, and configurations that lead to it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.models.endpoint import NAME, endpoint

OPENAI = "autogen_ext.models.openai.OpenAIChatCompletionClient"
INFO = {"vision": False, "function_calling": False, "json_output": True, "structured_output": True, "family": "unknown"}
ModelFile = Callable[..., Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.models)
            # A busy machine may need minutes for the few hundred tokens of an answer.
            item.add_marker(pytest.mark.timeout(1500))


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the model is served."""
    with endpoint(tmp_path_factory.mktemp("endpoint") / "log") as served:
        yield served


@pytest.fixture
def model_file(tmp_path: Path) -> ModelFile:
    """Writes the configuration of a model at an address."""

    def write(address: str, *, info: dict[str, Any] | None = None, **limits: Any) -> Path:
        config = {
            "model": NAME,
            "base_url": f"{address}/v1",
            "api_key": "sk-not-for-anybody-else",
            "temperature": 0.0,
            "frequency_penalty": 1.5,  # so small a model repeats itself to the end of its tokens otherwise
            "seed": 1,
            "max_retries": 0,
            "model_info": info or INFO,
        }
        path = tmp_path / "model.json"
        given = {"timeout_s": 600.0, "max_tokens": 4000, **limits}
        prices = {"prompt": 0.15, "answer": 0.6}
        path.write_text(json.dumps({"provider": OPENAI, "config": config, "limits": given, "prices": prices}))
        return path

    return write
