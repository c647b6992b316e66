"""Environments that are really built, without a package index: what does not install is told, the rest works."""

import json
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from clones.engines import isolation, process
from clones.engines.contract import EngineError
from clones.engines.environment import prepare, run_env
from clones.engines.environment.declared import read_declared
from clones.engines.environment.pip import Installer, reason_of
from clones.engines.environment.wheels import NotBuiltError, Wheels
from clones.engines.process import Finished, run
from clones.engines.running import offline

CALL = """
import os, pathlib, socket
pathlib.Path("~/was-here").expanduser().touch()
try:
    socket.create_connection(("127.0.0.1", PORT), timeout=5).close()
except OSError:
    pass
"""
BACKEND = """
import zipfile
FILES = {
    "calls.pth": "import built_here_calls\\n",
    "built_here_calls.py": CALL,
    "built_here/__init__.py": "from ._version import version\\n",
    "built_here/_generated.py": "MADE_BY = 'the build'\\n",
    "built_here/_version.py": "version = '2.5'\\n",
    "built_here-2.5.dist-info/METADATA": "Metadata-Version: 2.1\\nName: built-here\\nVersion: 2.5\\n",
    "built_here-2.5.dist-info/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    "built_here-2.5.dist-info/entry_points.txt": "[console_scripts]\\nbuilt-here = built_here:version.upper\\n",
}
def build_wheel(directory, config_settings=None, metadata_directory=None):
    exec(CALL)
    name = "built_here-2.5-py3-none-any.whl"
    with zipfile.ZipFile(directory + "/" + name, "w") as wheel:
        for path, text in FILES.items():
            wheel.writestr(path, text)
        record = "".join(f"{path},,\\n" for path in FILES) + "built_here-2.5.dist-info/RECORD,,\\n"
        wheel.writestr("built_here-2.5.dist-info/RECORD", record)
    return name
"""


@pytest.fixture
def home() -> Iterator[socket.socket]:
    """A server of this machine, which a target would call."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture
def target(tmp_path: Path, home: socket.socket, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose build needs nothing, on a machine where no index can be reached."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    root = tmp_path / "project"
    (root / "built_here").mkdir(parents=True)
    (root / "built_here" / "__init__.py").write_text("from ._generated import MADE_BY\n", encoding="utf-8")
    call = f"CALL = {CALL.replace('PORT', str(home.getsockname()[1]))!r}"
    (root / "backend.py").write_text(call + BACKEND, encoding="utf-8")
    (root / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "built-here"\nversion = "2.5"\n[dependency-groups]\ntest = ["no-such-package-xyz"]\n',
        encoding="utf-8",
    )
    return root


@pytest.mark.timeout(400)  # it makes an environment and installs into it
def test_an_environment_without_an_index(target: Path, home: socket.socket, tmp_path: Path) -> None:
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

    # what builds the target, and what it leaves to run at each start of Python, calls nobody and finds a home of its own
    if not offline.why_not():
        with pytest.raises(BlockingIOError):
            home.accept()
    packages = Path(environment.python).parent.parent.glob("lib/python*/site-packages")
    assert (next(packages) / "calls.pth").exists()
    assert not (tmp_path / "home" / "was-here").exists()

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


def wheels(tmp_path: Path) -> Wheels:
    for name in ("source", "scratch"):
        (tmp_path / name).mkdir()
    python = Path(sys.executable)
    return Wheels(python, tmp_path / "source", tmp_path / "scratch", env={}, deadline=time.monotonic(), network=False)


@pytest.mark.parametrize(
    ("requirement", "reason"),
    [
        ("../other", "outside of the target"),
        ("x @ file:///etc", "outside of the target"),
        ("file:///etc", "outside of the target"),
        ("x @ git+file:///srv/x.git", "outside of the target"),
        ("git+file:///srv/x.git", "outside of the target"),
    ],
)
def test_only_what_stands_in_the_target_is_built(requirement: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(NotBuiltError, match=reason):
        wheels(tmp_path).in_place_of(requirement)


@pytest.mark.parametrize(
    "requirement",
    [
        "flask[async]>=3; python_version > '3'",
        "x @ https://example.org/x.whl",
        "./plugins/none[a]",
        "not a requirement",
    ],
)
def test_what_is_not_in_the_target_is_left_to_pip(requirement: str, tmp_path: Path) -> None:
    assert wheels(tmp_path).in_place_of(requirement) == requirement


def test_no_requirement_is_an_option_of_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Sequence[str]] = []

    def begin(argv: Sequence[str], **_: object) -> Finished:
        begun.append(argv)
        return Finished(exit_status=0, stdout=b"", stderr=b"", duration_s=0.0)

    monkeypatch.setattr(process, "run", begin)
    deadline = time.monotonic() + 600
    installer = Installer(Path("python"), cwd=tmp_path, env={}, constraints=["c.txt"], deadline=deadline)
    assert installer.install(["--log=/etc/passwd", "flask"]) is None
    assert begun[0][-3:] == ["--", "--log=/etc/passwd", "flask"]


@pytest.mark.parametrize("name", ["/etc/elsewhere", "../up", "a b", "", "-x"])
def test_a_name_that_is_none_makes_no_path(name: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[project]\nname = {json.dumps(name)}\n", encoding="utf-8")
    assert read_declared(tmp_path).name is None


def test_pip_s_reason() -> None:
    stderr = (
        "  error: subprocess-exited-with-error\n  x\nERROR: No matching distribution found for nope\nhint: see above\n"
    )
    assert reason_of(stderr) == "No matching distribution found for nope"
    assert reason_of("") == "pip said nothing"


@pytest.mark.parametrize(
    ("output", "says"),
    [
        (
            "Traceback (most recent call last):\n        File '<string>', line 2\n      ValueError: no such version",
            "it does not build: ValueError: no such version",
        ),
        (
            "building 'x' extension\n      x.c:1:1: fatal error: no_such.h: No such file or directory\n      error: command 'gcc' failed",
            "it does not build: x.c:1:1: fatal error: no_such.h: No such file or directory",
        ),
    ],
)
def test_the_builder_is_quoted_on_why_a_project_does_not_build(output: str, says: str) -> None:
    stderr = (
        "  error: subprocess-exited-with-error\n  \n  Building wheel for shop (pyproject.toml) did not run successfully.\n"
        f"  │ exit code: 1\n  ╰─> [9 lines of output]\n      {output}\n      [end of output]\n  \n  note: This error originates "
        "from a subprocess.\n  ERROR: Failed building wheel for shop\nERROR: Failed to build one or more wheels\n"
    )
    assert reason_of(stderr) == says
