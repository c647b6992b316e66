"""Tests that pytest does not find by itself, and those that are not Python's."""

import json
import shutil
from pathlib import Path

import pytest

from clones.engines import process
from clones.engines.contract import EngineOutput
from clones.engines.running.other_tests import Tool, find_tools, of_go, of_npm, run_tool
from clones.engines.testing import analyse
from clones.params import Gates
from clones.params import TestingParams as Params
from tests.clones.engines.claims import wrong
from tests.clones.engines.running.projects import project

GO = {
    "go.mod": "module example.org/shop\n\ngo 1.20\n",
    "shop.go": "package shop\n\nfunc Price(n int) int { return n * 3 }\n",
    "shop_test.go": 'package shop\n\nimport "testing"\n\nfunc TestPrice(t *testing.T) { if Price(2) != 6 { t.Fail() } }\n\n'
    'func TestWrong(t *testing.T) { t.Fatal("not three") }\n\nfunc TestLater(t *testing.T) { t.Skip() }\n',
}
NODE = {
    "package.json": '{"name": "shop", "scripts": {"test": "node --test"}}\n',
    "shop.test.js": "const test = require('node:test');\nconst assert = require('node:assert');\n"
    "test('adds', () => assert.equal(1 + 1, 2));\ntest('breaks', () => assert.equal(1, 2));\n",
}

pytestmark = pytest.mark.timeout(900)  # a busy machine takes its time


def run(files: dict[str, str], tmp_path: Path) -> EngineOutput:
    target = project(tmp_path / "target", files)
    (tmp_path / "out").mkdir()
    params = Params(target=str(target), budget_s=800.0, gates=Gates(no_failures=True))
    output = analyse(target, params, tmp_path / "out", lambda *_: None)
    assert {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()} == set(files)
    return output


@pytest.mark.chaos  # go compiles its standard library first, as the target's tests get a cache of their own
@pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed")
def test_go(tmp_path: Path) -> None:
    data = run(GO, tmp_path).data
    assert data["ran"], data["reason"]
    assert {name: count for name, count in data["counts"].items() if count} == {
        "total": 3,
        "passed": 1,
        "failed": 1,
        "skipped": 1,
    }
    (failure,) = data["failures"]
    assert (failure["test"], "not three" in failure["message"]) == ("example.org/shop.TestWrong", True)
    assert data["gates"][0]["verdict"] == "failed"
    assert wrong({"statements": data["statements"]}, tmp_path / "target") == []


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_npm(tmp_path: Path) -> None:
    data = run(NODE, tmp_path).data
    assert data["ran"], data["reason"]
    assert (data["counts"]["total"], data["counts"]["passed"], data["counts"]["failed"]) == (2, 1, 1)


def test_a_tool_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    output = run(GO, tmp_path)
    assert "go is not installed here" in output.data["reason"]
    assert output.summary.startswith("The tests did not run: its tests are run by `go test -json ./...` (go.mod)")


def test_unittest_s_files_are_run_by_pytest(tmp_path: Path) -> None:
    code = "import unittest\n\nclass Shop(unittest.TestCase):\n    def test_it(self): self.assertEqual(1, 1)\n"
    data = run({"shop/__init__.py": "", "shop/tests.py": code}, tmp_path).data
    assert (data["ran"], data["counts"]["passed"]) == (True, 1)


@pytest.mark.parametrize(
    ("output", "counts"),
    [
        ("Tests:       1 failed, 2 skipped, 3 passed, 6 total\n", (6, 3, 1, 2)),
        ("      Tests  1 failed | 3 passed (4)\n", (4, 3, 1, 0)),
        ("  3 passing (5ms)\n  1 pending\n  2 failing\n", (6, 3, 2, 1)),
        ("TAP version 13\nok 1 - a\nnot ok 2 - b\nok 3 - c # SKIP later\n1..3\n", (3, 1, 1, 1)),
        ("\N{INFORMATION SOURCE} pass 4\n\N{INFORMATION SOURCE} fail 0\n", (4, 4, 0, 0)),
        ("all is well\n", (0, 0, 0, 0)),
    ],
)
def test_the_totals_of_node_s_runners(output: str, counts: tuple[int, ...]) -> None:
    told = of_npm(output)["counts"]
    assert (told["total"], told["passed"], told["failed"], told["skipped"]) == counts


def test_what_go_says_of_its_tests() -> None:
    def event(**fields: object) -> str:
        return json.dumps({"Package": "example.org/shop"} | fields)

    told = of_go(
        [
            event(Action="run", Test="TestWrong"),
            event(Action="output", Test="TestWrong", Output="=== RUN   TestWrong\n"),
            event(Action="output", Test="TestWrong", Output="    shop_test.go:6: not three\n"),
            event(Action="output", Test="TestWrong", Output="--- FAIL: TestWrong (0.00s)\n"),
            event(Action="fail", Test="TestWrong", Elapsed=0.5),
            event(Action="pass", Test="TestRight", Elapsed=0.1),
            event(Action="skip", Test="TestLater", Elapsed=0),
            event(Action="fail", Elapsed=0.7),
        ]
    )
    assert [told["counts"][name] for name in ("total", "passed", "failed", "skipped")] == [3, 1, 1, 1]
    assert told["failures"][0]["test"] == "example.org/shop.TestWrong"
    assert told["failures"][0]["message"] == "shop_test.go:6: not three"
    assert told["slowest"][0] == {"test": "example.org/shop.TestWrong", "duration_s": 0.5}


def test_what_is_no_event_of_go_is_passed_over() -> None:
    assert of_go(["", "[]", "{", '{"Action": "pass", "Package": "p"}'])["counts"]["total"] == 0


def test_what_npm_init_writes_is_no_test(tmp_path: Path) -> None:
    script = 'echo \\"Error: no test specified\\" && exit 1'
    assert find_tools(project(tmp_path, {"package.json": f'{{"scripts": {{"test": "{script}"}}}}'})) == []
    assert find_tools(project(tmp_path, {"package.json": "[" * 100_000})) == []


def test_a_package_that_does_not_build_is_an_error_and_no_gate_passes_it() -> None:
    def event(**fields: object) -> str:
        return json.dumps(fields)

    told = of_go(
        [
            event(ImportPath="shop/bad [shop/bad.test]", Action="build-output", Output="# shop/bad [shop/bad.test]\n"),
            event(ImportPath="shop/bad [shop/bad.test]", Action="build-output", Output="bad.go:3:25: cannot use it\n"),
            event(Package="shop/bad", Action="output", Output="FAIL\tshop/bad [build failed]\n"),
            event(Package="shop/bad", Action="fail", FailedBuild="shop/bad [shop/bad.test]"),
            event(Package="shop/ok", Test="TestRight", Action="pass", Elapsed=0),
            event(Package="shop/ok", Action="pass"),
        ]
    )
    counts = told["counts"]
    assert (counts["total"], counts["passed"], counts["failed"], counts["errors"]) == (2, 1, 0, 1)
    (failure,) = told["failures"]
    assert failure["test"] == "shop/bad"
    assert failure["message"].startswith("bad.go:3:25: cannot use it")


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_a_script_that_fails_though_its_tests_pass_is_an_error(tmp_path: Path) -> None:
    script = "echo 'ok 1 - a' && echo 'the linter says no' >&2 && exit 3"
    data = run({"package.json": json.dumps({"scripts": {"test": script}})}, tmp_path).data
    assert (data["ran"], data["counts"]["passed"], data["counts"]["errors"]) == (True, 1, 1)
    assert "exit status 3" in data["failures"][0]["message"]
    assert "the linter says no" in data["failures"][0]["message"]
    assert data["gates"][0]["verdict"] == "failed"


def test_what_was_said_before_the_budget_was_used_up_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> process.Finished:
        raise process.StoppedError("it was stopped", b"ok 1 - a\nnot ok 2 - b\n")

    monkeypatch.setattr(process, "run", stopped)
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/npm")
    tool = Tool(program="npm", declared_in="package.json", install=(), command=("npm", "test"))
    data = run_tool(tool, tmp_path, tmp_path, budget_s=10.0, network=True)
    assert (data["ran"], data["complete"], data["counts"]["passed"], data["counts"]["failed"]) == (True, False, 1, 1)
    assert data["reason"] == "the budget was used up while `npm test` was running; 2 tests had an outcome"


def test_tests_of_other_languages_are_named_and_vendored_modules_of_go_are_used(tmp_path: Path) -> None:
    target = project(
        tmp_path, {**GO, **NODE, "vendor/modules.txt": "", "go.mod": "module shop\n\nrequire x.org/y v1.0.0\n"}
    )
    go, npm = find_tools(target)
    assert (go.program, go.install, "GOFLAGS" in go.variables, npm.program) == ("go", (), False, "npm")


def test_beside_python_s_tests_the_others_are_named(tmp_path: Path) -> None:
    output = run({**NODE, "tests/test_it.py": "def test_it(): pass\n"}, tmp_path)
    assert output.data["counts"]["passed"] == 1
    assert [note.reason for note in output.not_analysed if note.subject == "npm test"] == [
        "package.json declares these tests as well; others were run"
    ]
