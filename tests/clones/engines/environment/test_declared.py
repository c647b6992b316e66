"""Where projects declare what their tests need."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from clones.engines.environment.declared import Declared, read_declared
from clones.engines.environment.existing import python_satisfies, unsatisfied


def declared(root: Path, files: Mapping[str, str]) -> Declared:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return read_declared(root)


PROJECT = '[project]\nname = "My.Lib"\ndependencies = ["idna"]\nrequires-python = ">=3.10"\n'


@pytest.mark.parametrize(
    ("files", "requirements", "extras", "where"),
    [
        pytest.param(
            {"pyproject.toml": PROJECT + '[project.optional-dependencies]\ntests = ["pytest<9"]\nsocks = ["pysocks"]'},
            (),
            ("tests",),
            ("extra `tests`",),
            id="an extra",
        ),
        pytest.param(
            {
                "pyproject.toml": PROJECT
                + '[dependency-groups]\ntest = [{include-group = "base"}, "my-lib[socks]", "trustme"]\nbase = ["pytest"]'
            },
            ("pytest", "trustme"),
            ("socks",),
            ("dependency group `test`",),
            id="a group that includes another one and an extra of the project",
        ),
        pytest.param(
            {"pyproject.toml": PROJECT + '[dependency-groups]\ntest = ["pytest"]\ndev = ["ruff", "tox"]'},
            ("pytest",),
            (),
            ("dependency group `test`",),
            id="dev is not taken where there is test",
        ),
        pytest.param(
            {"pyproject.toml": PROJECT + '[dependency-groups]\ndev = ["pytest"]'},
            ("pytest",),
            (),
            ("dependency group `dev`",),
            id="dev where there is nothing else",
        ),
        pytest.param(
            {
                "setup.py": "",
                "requirements-dev.txt": "-e .[socks]\n-r more.txt\nhttpbin~=0.10 # why\n",
                "more.txt": "trustme ; python_version > '3'\n--index-url=x\n",
            },
            ("trustme ; python_version > '3'", "httpbin~=0.10"),
            ("socks",),
            ("requirements-dev.txt",),
            id="requirement files, nested",
        ),
        pytest.param(
            {"setup.py": "", "requirements/test.txt": "a", "requirements/test-ci.txt": "b"},
            ("a",),
            (),
            ("requirements/test.txt",),
            id="of several requirement files the one called so",
        ),
        pytest.param(
            {
                "setup.py": "",
                "tox.ini": "[testenv]\ndeps =\n    pytest\n    py313: new\n    -rreqs.txt\n",
                "reqs.txt": "z",
            },
            ("pytest", "z"),
            (),
            ("tox",),
            id="tox, without the lines for single factors",
        ),
        pytest.param(
            {
                "pyproject.toml": '[tool.poetry]\nname = "x"\n[tool.poetry.group.test.dependencies]\n'
                'pytest = "^8.1"\npython = "^3.9"\nhttpx = {version = "*", extras = ["http2"]}'
            },
            ("pytest>=8.1", "httpx[http2]"),
            (),
            ("poetry group `test`",),
            id="poetry",
        ),
        pytest.param(
            {"setup.cfg": "[metadata]\nname=x\n[options]\n[options.extras_require]\ntest =\n  pytest\n"},
            (),
            ("test",),
            ("extra `test`",),
            id="setup.cfg",
        ),
    ],
)
def test_test_requirements(
    tmp_path: Path,
    files: Mapping[str, str],
    requirements: tuple[str, ...],
    extras: tuple[str, ...],
    where: tuple[str, ...],
) -> None:
    found = declared(tmp_path, files)
    assert (found.test_requirements, found.extras, found.declared_in) == (requirements, extras, where)
    assert found.installable


def test_a_project_s_own_facts(tmp_path: Path) -> None:
    found = declared(tmp_path, {"pyproject.toml": PROJECT})
    assert (found.name, found.requirements, found.requires_python) == ("my-lib", ("idna",), ">=3.10")


def test_a_directory_without_packaging_has_only_requirements(tmp_path: Path) -> None:
    found = declared(tmp_path, {"requirements.txt": "idna\n-c pins.txt\n-r /etc/passwd\n", "pins.txt": "idna<4\n"})
    assert (found.installable, found.requirements, found.constraints) == (False, ("idna",), ("pins.txt",))
    assert found.not_understood == ("passwd: no such file in the target",)


def test_requirement_files_that_name_no_file_are_told(tmp_path: Path) -> None:
    (tmp_path / "circle.txt").symlink_to("circle.txt")
    found = declared(tmp_path, {"requirements.txt": "idna\n-r circle.txt\n-c circle.txt\n-c a\0b\n"})
    assert found.requirements == ("idna",)
    assert found.not_understood == ("circle.txt: no such file in the target", "-c circle.txt", "-c a\ufffdb")


@pytest.mark.parametrize("text", ["[project", "[dependency-groups]\ntest = [{include-group = 'test'}]\n", "tool = 3"])
def test_a_broken_declaration_declares_nothing(tmp_path: Path, text: str) -> None:
    assert declared(tmp_path, {"pyproject.toml": text, "tox.ini": "[[", "setup.cfg": "="}).test_requirements == ()


def test_locked_versions_keep_the_markers_that_tell_them_apart(tmp_path: Path) -> None:
    lock = """
[[package]]
name = "pytest"
version = "8.4.2"
source = { registry = "https://example.org" }
resolution-markers = ["python_full_version < '3.10'"]
[[package]]
name = "pytest"
version = "9.0.2"
source = { registry = "https://example.org" }
resolution-markers = ["python_full_version >= '3.12'", "python_full_version == '3.11.*'"]
[[package]]
name = "my-lib"
version = "1.0"
source = { registry = "https://example.org" }
[[package]]
name = "from-git"
version = "1.0"
source = { git = "https://example.org" }
[[package]]
name = "twice"
version = "1"
[[package]]
name = "twice"
version = "2"
"""
    found = declared(tmp_path, {"pyproject.toml": PROJECT, "uv.lock": lock})
    assert found.lock_file == "uv.lock"
    assert [line.partition(" ")[0] for line in found.locked] == ["pytest==8.4.2", "pytest==9.0.2"]
    markers = [Requirement(line).marker for line in found.locked]
    chosen = [marker.evaluate({"python_full_version": "3.11.7"}) for marker in markers if marker is not None]
    assert chosen == [False, True]


def test_what_is_installed_here_fulfils_requirements() -> None:
    lines = ["packaging", "packaging<1", "no-such-package-xyz", "no-such; python_version < '3'", "./path", "msgspec>0"]
    assert list(unsatisfied(lines)) == ["packaging<1", "no-such-package-xyz", "./path"]


@pytest.mark.parametrize(("wanted", "fits"), [("", True), (">=3.10,<3.13", True), (">=3.13", False), ("x", True)])
def test_python_versions(wanted: str, fits: bool) -> None:
    assert python_satisfies(wanted, "3.11.7") is fits
