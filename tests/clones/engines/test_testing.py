"""Delta's engine on real projects, with real runs of pytest: its counts are those of pytest by hand."""

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from clones.engines.contract import EngineError, EngineOutput
from clones.engines.testing import analyse
from clones.params import TestingParams as Params
from tests.clones.engines.running.projects import CALC, project

Review = Callable[..., EngineOutput]

pytestmark = pytest.mark.timeout(600)  # a busy machine takes its time


@pytest.fixture
def review(tmp_path: Path) -> Review:
    """Write a project, run its tests, and see that it stayed as it was."""

    def run(files: dict[str, str], *, budget_s: float = 500.0, arguments: tuple[str, ...] = ()) -> EngineOutput:
        target = project(tmp_path / "target", files)
        (tmp_path / "out").mkdir(exist_ok=True)
        params = Params(target=str(target), pytest_args=arguments, budget_s=budget_s)
        output = analyse(target, params, tmp_path / "out", lambda *_: None)
        assert {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()} == set(files)
        assert all((tmp_path / "out" / file.name).is_file() for file in output.files)
        json.dumps(output.data)
        return output

    return run


def by_hand(target: Path) -> dict[str, int]:
    """Return the counts in the last line of pytest itself."""
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(argv, cwd=target, capture_output=True, text=True, check=False)
    return {name.rstrip("s"): int(count) for count, name in re.findall(r"(\d+) ([a-z]+)", done.stdout.splitlines()[-1])}


def test_every_way_a_test_can_end_is_counted_as_pytest_counts_it(review: Review, tmp_path: Path) -> None:
    output = review(CALC)
    data = output.data
    hand = by_hand(tmp_path / "target")
    counts = {name.rstrip("s"): count for name, count in data["counts"].items()}
    assert counts == {"total": 11, "passed": 4, "failed": 1, "error": 2, "skipped": 2, "xfailed": 1, "xpassed": 1}
    assert {name: hand[name] for name in counts if name != "total"} == {k: v for k, v in counts.items() if k != "total"}
    assert (data["ran"], data["complete"], data["exit_status"]) == (True, True, 1)
    assert "reason" not in data

    failures = {item["test"]: item for item in data["failures"]}
    assert failures["tests/test_calc.py::test_fails"]["message"].startswith("assert 3 == 4")
    assert (failures["tests/test_calc.py::test_fails"]["file"], failures["tests/test_calc.py::test_fails"]["line"]) == (
        "tests/test_calc.py",
        15,
    )
    assert failures["tests/test_calc.py::test_error"]["message"] == "RuntimeError: no database"
    assert failures["tests/test_calc.py::test_teardown"]["phase"] == "teardown"

    coverage = {item["file"]: item for item in data["files"]}
    assert set(coverage) == {"calc/__init__.py", "calc/never_imported.py"}, "its own packages, imported or not"
    assert coverage["calc/__init__.py"]["missing"] == ["9"]
    assert coverage["calc/never_imported.py"]["line_percent"] == 0.0
    assert data["coverage"]["branches_total"] == data["coverage"]["branches_covered"] == 2
    assert {file.name for file in output.files} == {"junit.xml", "coverage.xml", "coverage.svg"}
    junit = ET.fromstring((tmp_path / "out" / "junit.xml").read_text(encoding="utf-8"))  # noqa: S314 -- our own
    assert len(list(junit.iter("testcase"))) >= 10


def test_the_target_s_own_configuration_holds(review: Review) -> None:
    data = review(
        {
            "pyproject.toml": '[tool.pytest.ini_options]\ntestpaths = ["checks"]\npython_files = ["check_*.py"]\naddopts = "-k quick"',
            "checks/check_a.py": "def test_quick(): pass\ndef test_slow(): pass\n",
            "tests/test_not_configured.py": "def test_x(): assert False\n",
        }
    ).data
    assert (data["counts"]["passed"], data["counts"]["total"], data["deselected"]) == (1, 1, 1)


def test_code_below_src_is_imported_from_the_copy(review: Review) -> None:
    data = review(
        {
            "src/pkg/__init__.py": "NAME = 'pkg'\n",
            "src/pkg/data/module.py": "X = 1\n",
            "tests/test_pkg.py": "import os, pkg\n"
            "def test_copy(): assert os.path.samefile(os.path.dirname(pkg.__file__), 'src/pkg')\n"
            "def test_inside(): assert os.environ['SANCTUARY_INSIDE_REVIEW'] == '1'\n"
            "def test_home(): open(os.path.expanduser('~/written'), 'w').close()\n",
        }
    ).data
    assert data["counts"]["passed"] == 3, data["failures"]
    assert "src/pkg/__init__.py" in {item["file"] for item in data["files"]}


def test_what_a_test_replaces_does_not_disturb_the_record(review: Review) -> None:
    code = """
import json, os, time, pytest

@pytest.fixture
def replaced(monkeypatch):
    for owner, name in ((os, "getpid"), (json, "dumps"), (os, "write"), (time, "time"), (os.path, "relpath")):
        monkeypatch.setattr(owner, name, lambda *a, **k: 0)
    monkeypatch.chdir("/")
    os.environ.clear()
    yield

def test_a(replaced): pass
def test_b(replaced): assert False
def test_c(): pass
"""
    data = review({"test_a.py": code}).data
    assert (data["counts"]["passed"], data["counts"]["failed"], data["complete"]) == (2, 1, True)
    assert data["failures"][0]["file"] == "test_a.py"


def test_a_process_that_dies_leaves_what_happened_before(review: Review) -> None:
    code = "import os\ndef test_a(): pass\ndef test_dies(): os._exit(3)\ndef test_never(): pass\n"
    output = review({"app.py": "", "test_a.py": code})
    assert (output.data["ran"], output.data["complete"], output.data["coverage"]) == (True, False, None)
    assert output.data["counts"]["total"] == output.data["counts"]["passed"] == 1
    assert "exit status 3 while test_a.py::test_dies was running" in output.data["reason"]
    assert {item.subject for item in output.not_analysed} == {"tests", "coverage"}


def test_a_test_that_hangs_ends_with_the_budget(review: Review) -> None:
    code = "import time, app\ndef test_a(): pass\ndef test_hangs(): time.sleep(1000)\ndef test_never(): pass\n"
    for budget_s in (8, 30, 120):  # a busy machine is given more
        output = review({"app.py": "X = 1\n", "test_a.py": code}, budget_s=budget_s)
        data = output.data
        if data["counts"]["passed"]:
            break
    assert data["counts"]["passed"] == 1
    assert f"the budget of {budget_s} s was used up while test_a.py::test_hangs was running; 1 of 3" in data["reason"]
    assert data["coverage"]["lines_covered"] == 1, "an interrupted run still has its coverage"
    assert {"junit.xml", "coverage.xml"} <= {file.name for file in output.files}


def test_code_that_does_not_import_stops_pytest_and_is_told(review: Review) -> None:
    data = review({"test_a.py": "import no_such_module_xyz\n", "test_b.py": "def test_b(): pass\n"}).data
    assert (data["ran"], data["counts"]["errors"], data["exit_status"]) == (False, 1, 2)
    assert data["reason"] == "pytest stopped at collection with 1 error and ran no test"
    assert data["failures"][0]["message"] == "ModuleNotFoundError: No module named 'no_such_module_xyz'"


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        pytest.param({"app.py": "x = 1\n"}, "no tests found", id="no test files"),
        pytest.param({"pytest.ini": "[pytest]\n"}, "pytest collected no tests", id="a configuration and no tests"),
        pytest.param(
            {"pytest.ini": "[pytest]\naddopts = --wrong\n"},
            "unrecognized arguments: --wrong",
            id="a broken configuration",
        ),
    ],
)
def test_without_tests_it_says_why(review: Review, files: dict[str, str], reason: str) -> None:
    output = review(files)
    assert output.data["ran"] is False
    assert reason in output.data["reason"]
    assert "did not run" in output.summary


def test_arguments(review: Review) -> None:
    assert review(CALC, arguments=("-k", "many")).data["counts"]["passed"] == 3


def test_a_conftest_that_does_not_import_is_not_laid_to_the_arguments(review: Review) -> None:
    output = review({**CALC, "conftest.py": "import no_such_module\n"}, arguments=("-k", "many"))
    assert output.data["ran"] is False
    assert "No module named 'no_such_module'" in output.data["reason"]


def test_arguments_that_pytest_refuses(review: Review) -> None:
    with pytest.raises(EngineError, match="pytest refuses '--wrong'") as caught:
        review(CALC, arguments=("--wrong",))
    assert caught.value.code == "incompatible_task"
