"""Environments that are really built, without a package index: what does not install is told, the rest works."""

import json
import time
from pathlib import Path

import pytest

from clones.engines import isolation
from clones.engines.contract import EngineError
from clones.engines.environment import prepare, run_env
from clones.engines.environment.pip import reason_of
from clones.engines.process import run

BACKEND = """
import zipfile
FILES = {
    "built_here/__init__.py": "from ._version import version\\n",
    "built_here/_generated.py": "MADE_BY = 'the build'\\n",
    "built_here/_version.py": "version = '2.5'\\n",
    "built_here-2.5.dist-info/METADATA": "Metadata-Version: 2.1\\nName: built-here\\nVersion: 2.5\\n",
    "built_here-2.5.dist-info/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    "built_here-2.5.dist-info/entry_points.txt": "[console_scripts]\\nbuilt-here = built_here:version.upper\\n",
}
def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = "built_here-2.5-py3-none-any.whl"
    with zipfile.ZipFile(directory + "/" + name, "w") as wheel:
        for path, text in FILES.items():
            wheel.writestr(path, text)
        record = "".join(f"{path},,\\n" for path in FILES) + "built_here-2.5.dist-info/RECORD,,\\n"
        wheel.writestr("built_here-2.5.dist-info/RECORD", record)
    return name
"""


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose build needs nothing, on a machine where no index can be reached."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    root = tmp_path / "project"
    (root / "built_here").mkdir(parents=True)
    (root / "built_here" / "__init__.py").write_text("from ._generated import MADE_BY\n", encoding="utf-8")
    (root / "backend.py").write_text(BACKEND, encoding="utf-8")
    (root / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "built-here"\nversion = "2.5"\n[dependency-groups]\ntest = ["no-such-package-xyz"]\n',
        encoding="utf-8",
    )
    return root


@pytest.mark.timeout(400)  # it makes an environment and installs into it
def test_an_environment_without_an_index(target: Path, tmp_path: Path) -> None:
    told: list[str] = []
    before = sorted(path for path in target.rglob("*"))
    copy = isolation.copy_target(target, tmp_path / "copy").root

    # one whose time was too short is there for those who have no more
    hurried = prepare(target, copy, lambda *_: None, deadline=time.monotonic())
    assert "built-here" not in hurried.versions
    assert {item.reason for item in hurried.missing} == {"the time for installing was used up"}
    assert prepare(target, copy, lambda *_: None, deadline=time.monotonic() + 1) == hurried

    deadline = time.monotonic() + 360
    environment = prepare(target, copy, lambda _, message: told.append(message), deadline=deadline)
    assert environment.kind == "built"
    assert environment.versions["built-here"] == "2.5"
    reasons = {item.requirement: item.reason for item in environment.missing}
    assert "no-such-package-xyz" in reasons
    assert set(reasons.values()) == {"the package index cannot be reached from this machine"}
    assert sorted(path for path in target.rglob("*")) == before

    # the copy comes before what is installed, and has what only the build makes; the tools are Sanctuary's own
    code = "import built_here, pytest, coverage, pyinstrument, json; print(json.dumps([built_here.__file__, built_here.MADE_BY]))"
    env = run_env(environment, copy, tmp_path)
    done = run([environment.python, "-c", code], cwd=tmp_path, timeout_s=60, env=env)
    assert json.loads(done.stdout) == [str(copy / "built_here" / "__init__.py"), "the build"], done.stderr

    # the second time it is there
    again = isolation.copy_target(target, tmp_path / "again").root
    told.clear()
    assert prepare(target, again, lambda _, message: told.append(message), deadline=deadline) == environment
    assert not told
    assert (again / "built_here" / "_generated.py").exists()


def test_a_python_that_is_not_here(target: Path, tmp_path: Path) -> None:
    declaration = target / "pyproject.toml"
    text = declaration.read_text(encoding="utf-8").replace("[project]", '[project]\nrequires-python = ">=4.20"')
    declaration.write_text(text, encoding="utf-8")
    with pytest.raises(EngineError, match=r"needs Python >=4\.20"):
        prepare(target, target, lambda *_: None, deadline=time.monotonic() + 60)


def test_pip_s_reason() -> None:
    stderr = (
        "  error: subprocess-exited-with-error\n  x\nERROR: No matching distribution found for nope\nhint: see above\n"
    )
    assert reason_of(stderr) == "No matching distribution found for nope"
    assert reason_of("") == "pip said nothing"
