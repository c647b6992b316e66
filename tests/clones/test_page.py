"""docs/clones.md can be followed alone: what stands in it runs as it stands."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from clones.harness import network_of
from schemas import TaskCompletion

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "translator"
BLOCKS: list[str] = re.findall(
    r"^```python\n(.*?)^```$", (ROOT / "docs" / "clones.md").read_text(), re.DOTALL | re.MULTILINE
)


def block(holds: str) -> str:
    """The one example of the page that holds this."""
    (found,) = (each for each in BLOCKS if holds in each)
    return found


def test_the_page_s_clone_is_the_example() -> None:
    assert block("class Translator(Clone)") == (EXAMPLE / "translator" / "__init__.py").read_text()


def test_the_page_s_test_passes(tmp_path: Path) -> None:
    (tmp_path / "test_translator.py").write_text(block("def test_it_translates"))
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", tmp_path)
    ended = subprocess.run(command, check=False, cwd=EXAMPLE, capture_output=True, text=True, timeout=110)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 passed" in ended.stdout


async def test_the_page_s_clone_has_another_one_do_its_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "publishing.py").write_text(block("self.workshop.ask"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLE)
    publisher = importlib.import_module("publishing").Publisher
    translator = importlib.import_module("translator").Translator
    async with network_of(publisher, translator) as network:
        result = await network.run("anthology", {"texts": ["hello", "world"]})
    assert isinstance(result, TaskCompletion), result
    assert result.output == ["salve", "munde"]


async def test_the_page_s_program_runs(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weighing.py").write_text(block("await run_program"))
    monkeypatch.syspath_prepend(tmp_path)
    scales = importlib.import_module("weighing").Scales
    (workspace / "heavy").write_bytes(b"x" * 100_000)
    async with network_of(scales, workspace=workspace) as network:
        result = await network.run("weigh", {"target": "."})
    assert isinstance(result, TaskCompletion), result
    assert result.output["kilobytes"] >= 97
