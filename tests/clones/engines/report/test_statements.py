"""What a report states of a real project holds when its command is run there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clones.engines import architecture, documentation, security
from clones.engines.contract import EngineOutput
from clones.engines.running import stated
from clones.params import ArchitectureParams, DocumentationParams, SecurityParams
from tests.clones.engines.report.inputs import TESTING, review, section
from tests.clones.engines.report.writing import write

LONG = "\n".join(f"    if number == {number}:\n        return {number}" for number in range(12))
SECRET = "ghp_" + "Zk3T9wQx7LrVb2NcYd5MfHs8JgPa4E6uWi1o"
FILES = {
    "shop/__init__.py": '"""Sells things."""\n',
    "shop/cart.py": f"from shop import price\n\n\ndef total(rule, number):\n    eval(rule)\n{LONG}\n",
    "shop/price.py": "class Price:\n    def of(self):\n        from shop import cart\n\n        return cart\n",
    "shop/odd é.py": "import subprocess\n\nsubprocess.run('é' + input(), shell=True)\n",
    "shop/keys.py": f'TOKEN = "{SECRET}"\n',
}
DONE = {
    "security": (security.analyse, SecurityParams),
    "architecture": (architecture.analyse, ArchitectureParams),
    "documentation": (documentation.analyse, DocumentationParams),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("project")
    for name, text in FILES.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text, encoding="utf-8")
    return directory


def printed(command: str, directory: Path) -> str:
    # The tools that commands name are those of this environment.
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", command], cwd=directory, env=env, capture_output=True, timeout=300, check=False)
    return done.stdout.decode().removesuffix("\n")


@pytest.mark.parametrize(
    ("task_type", "least", "says"),
    [
        ("security", 3, "shop/cart.py:5: eval runs text as Python code (bandit B307)"),
        ("architecture", 2, "shop.cart -> shop.price -> shop.cart import each other in a circle"),
        ("documentation", 5, "method `shop.price.Price.of` (shop/price.py:2) has no docstring"),
    ],
)
def test_it_holds(task_type: str, least: int, says: str, project: Path, tmp_path: Path) -> None:
    analyse, params = DONE[task_type]
    out = tmp_path / "out"
    out.mkdir()
    output: EngineOutput = analyse(project, params(target="project"), out, lambda *_: None)
    data: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(output.data))
    written = write(review(section(task_type, data=data)), tmp_path)
    told = written.told["statements"]
    assert len(told) >= least
    assert any(says in each["text"] for each in told), [each["text"] for each in told]
    for each in told:
        needed = each.get("needs_file")
        if needed:
            shutil.copy(out / needed, project / needed)
        assert printed(each["how_to_check"], project) == each["expected"], each["text"]
        if needed:
            (project / needed).unlink()
        # It is the project that makes it hold.
        assert printed(each["how_to_check"], tmp_path) != each["expected"], each["text"]
    assert SECRET not in written.html + written.markdown + msgspec.json.encode(written.told).decode()


def test_what_the_tests_files_say_is_shown_by_them(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(
        '<testsuites><testsuite name="pytest" errors="1" failures="2" skipped="3" tests="40" time="1"/></testsuites>'
    )
    (tmp_path / "coverage.xml").write_text('<coverage version="7" lines-valid="50" lines-covered="41"/>')
    statements = stated.totals(tmp_path)
    assert [each["text"] for each in statements] == [
        "pytest's own record counts 40 tests with 2 failures and 1 errors, 3 skipped",
        "coverage's own record counts 41 of 50 lines as run",
    ]
    written = write(review(section("testing", data=TESTING | {"statements": statements})), tmp_path)
    for each in written.told["statements"]:
        assert each["needs_file"] in {"junit.xml", "coverage.xml"}
        assert printed(each["how_to_check"], tmp_path) == each["expected"]
    assert len(written.told["statements"]) == 2
    assert stated.totals(tmp_path / "nowhere") == []


def test_a_failing_test_is_checked_by_running_it(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_bad():\n    assert False\n\n\ndef test_good():\n    pass\n")
    rows = stated.failures(
        [{"test": "test_it.py::test_bad"}, *[{"test": "x"}] * stated.MAX_FAILURES], tmp_path, network=True
    )
    check = rows[0]["check"]
    assert (check["text"], check["expected"]) == ("`test_it.py::test_bad` fails", "fails")
    assert printed(check["how_to_check"], tmp_path) == "fails"
    assert printed(check["how_to_check"].replace("test_bad", "test_good"), tmp_path) == "passes"
    assert "check" not in rows[-1]
    assert len(rows) == 1 + stated.MAX_FAILURES
