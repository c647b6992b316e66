"""docs/models.md can be followed alone: its clone runs as it stands, its files are read, and the tests that it names exist."""

import importlib
import re
from pathlib import Path

import pytest

from clones.harness import network_of
from clones.models.settings import Limits, read_settings
from schemas import TaskCompletion
from tests.clones.models.replaying import Replayed, answer, model, said

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "models.md").read_text()
FILES: list[str] = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def glossary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type:
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    (tmp_path / "glossary_of_the_page.py").write_text(block)
    monkeypatch.syspath_prepend(tmp_path)
    kind = importlib.import_module("glossary_of_the_page").Glossary
    assert isinstance(kind, type)
    return kind


async def test_the_page_s_clone_asks_its_model(glossary: type) -> None:
    told = model(Replayed(said(answer({"item": 1, "meaning": "A message bus."}))))
    async with network_of(glossary, model=told) as network:
        result = await network.run("glossary", {"terms": ["NATS"]})
    assert isinstance(result, TaskCompletion), result
    assert result.output["advice"]["entries"] == [{"about": {"title": "NATS"}, "meaning": "A message bus."}]


async def test_the_page_s_clone_works_without_one(glossary: type) -> None:
    async with network_of(glossary) as network:
        result = await network.run("glossary", {"terms": ["NATS"]})
    assert isinstance(result, TaskCompletion), result
    assert result.output == {"terms": ["NATS"]}


@pytest.mark.parametrize("text", FILES)
def test_the_page_s_files_are_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.toml").write_text(text)
    settings = read_settings(tmp_path / "model.toml")
    assert settings.limits in (Limits(), Limits(budget_usd=5.0))


def test_the_page_s_defaults_and_tests_are_those_that_there_are() -> None:
    assert f"| `limits.timeout_s` | {Limits().timeout_s:g} |" in PAGE
    assert f"| `limits.max_tokens` | {Limits().max_tokens} |" in PAGE
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert named
    assert {name for name in named if f"def {name}(" not in tests} == set()
