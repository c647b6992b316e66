"""Everything around a run that is decided without one: records, arguments, configurations, commands."""

from pathlib import Path
from typing import Any

import pytest

from clones.engines.contract import EngineError
from clones.engines.running import coverage_report
from clones.engines.running.coverage_config import coverage_rcfile
from clones.engines.running.pytest_config import check_arguments, find_tests
from clones.engines.running.pytest_record import fold
from clones.engines.running.python_command import python_command
from tests.clones.engines.running.projects import project


class TestRecord:
    def test_a_run_that_breaks_off_names_the_test_it_was_in(self) -> None:
        events: list[dict[str, Any]] = [
            {"event": "start", "pid": 1},
            {"event": "collected", "tests": 3, "deselected": 1},
            {"event": "running", "test": "a"},
            {"event": "outcome", "test": "a", "category": "passed", "phase": "call"},
            {"event": "phase", "test": "a", "phase": "teardown", "duration_s": 0.5},
            {"event": "running", "test": "b"},
        ]
        outcome = fold(events)
        assert (outcome.running, outcome.finished, outcome.collected, outcome.tests_run) == ("b", False, 3, 2)
        assert outcome.counts["total"] == outcome.counts["passed"] == 1
        assert outcome.slowest == ({"test": "a", "duration_s": 0.5},)

    def test_categories_of_plugins_are_kept_apart(self) -> None:
        outcome = fold({"event": "outcome", "test": "a", "category": category} for category in ("rerun", "passed"))
        assert (outcome.counts["total"], outcome.other) == (1, {"rerun": 1})


class TestPytestArguments:
    @pytest.mark.parametrize(
        "argument", ["--basetemp=/etc", "--cov-report=html", "-c", "-o=x", "/etc", "../x", "-h", "a\0b", "--pdb"]
    )
    def test_refused(self, argument: str) -> None:
        with pytest.raises(EngineError) as caught:
            check_arguments(("tests", argument))
        assert caught.value.code == "incompatible_task"
        assert repr(argument) in caught.value.message

    def test_accepted(self) -> None:
        check_arguments(("tests/unit", "-k", "fast and not slow", "-m", "x", "-x", "tests/a.py::test_b[..]", "-n2"))


class TestConfiguration:
    @pytest.mark.parametrize(
        ("files", "configured_in", "paths"),
        [
            ({"tests/test_a.py": "", "examples/test_b.py": ""}, None, ("tests",)),
            ({"test_a.py": ""}, None, ()),
            ({"t/unit/a_test.py": "", "test/x.py": ""}, None, ("t",)),
            ({"pytest.ini": "", "tests/test_a.py": ""}, "pytest.ini", ()),
            (
                {"pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-q'", "tests/test_a.py": ""},
                "pyproject.toml",
                (),
            ),
            ({"pyproject.toml": "[project]", "setup.cfg": "[tool:pytest]\n"}, "setup.cfg", ()),
            ({"tox.ini": "[pytest]\n", "setup.cfg": "[metadata]\n"}, "tox.ini", ()),
        ],
    )
    def test_where_tests_are(
        self, tmp_path: Path, files: dict[str, str], configured_in: str | None, paths: tuple[str, ...]
    ) -> None:
        found = find_tests(project(tmp_path, files))
        assert (found.configured_in, found.paths) == (configured_in, paths)

    def test_workers_are_noticed(self, tmp_path: Path) -> None:
        assert find_tests(project(tmp_path, {"pytest.ini": "[pytest]\naddopts = -q -n auto\n"})).uses_xdist

    def test_the_target_s_exclusions_are_kept_and_its_sources_are_not(self, tmp_path: Path) -> None:
        text = '[tool.coverage.run]\nsource = ["x", "tests"]\nomit = ["a.py"]\n[tool.coverage.report]\nexclude_also = ["if T:"]'
        root = project(tmp_path, {"pyproject.toml": text, "pkg/__init__.py": "", "scripts/x.py": ""})
        found = coverage_rcfile(root, (root,), root / "data", over_processes=False)
        lines = [line.strip() for line in found.splitlines()]
        assert {str(root), "a.py", "if T:", f"{root}/scripts/*"} <= set(lines)
        assert "x" not in lines
        assert "patch = subprocess" not in lines


class TestCommands:
    @pytest.fixture
    def copy(self, tmp_path: Path) -> Path:
        return project(
            tmp_path / "copy",
            {"run.py": "", "pkg/__main__.py": "", "tool": "#!/usr/bin/env python3\n", "shell": "#!/bin/sh\n"},
        )

    @pytest.fixture
    def programs(self, tmp_path: Path) -> Path:
        return project(tmp_path / "bin", {"cli": "#!/x/bin/python3.11\n", "native": "\x7fELF", "sub/deep": "#!python"})

    @pytest.mark.parametrize(
        ("command", "flags", "program"),
        [
            (("run.py", "-x"), (), ("run.py", "-x")),
            (("python", "run.py", "a b"), (), ("run.py", "a b")),
            (("python3.12", "-u", "-W", "error", "-m", "pkg", "-m"), ("-u", "-W", "error"), ("-m", "pkg", "-m")),
            (("python3", "-c", "1", "x"), (), ("-c", "1", "x")),
            (("python", "pkg"), (), ("pkg",)),
            (("tool", "x"), (), ("tool", "x")),
        ],
    )
    def test_understood(
        self, copy: Path, programs: Path, command: tuple[str, ...], flags: tuple[str, ...], program: tuple[str, ...]
    ) -> None:
        found = python_command(command, copy, programs)
        assert (found.flags, found.program) == (flags, program)

    def test_a_console_script_of_the_environment(self, copy: Path, programs: Path) -> None:
        assert python_command(("cli", "--fast"), copy, programs).program == (str(programs / "cli"), "--fast")

    @pytest.mark.parametrize(
        "command",
        [
            *(("ls", "-l"), ("shell",), ("native",), ("bash", "-c", "python run.py"), ("../bin/cli",), ("sub/deep",)),
            *(("python",), ("python", "-m"), ("python", "-i", "run.py"), ("python", "missing.py"), ("/etc/passwd",)),
            *(("python", "../outside.py"), ("python", "/etc/hosts"), ("run.py", "a\0")),
        ],
    )
    def test_refused(self, copy: Path, programs: Path, command: tuple[str, ...]) -> None:
        with pytest.raises(EngineError, match=r"^params\.command: ") as caught:
            python_command(command, copy, programs)
        assert caught.value.code == "incompatible_task"


class TestCoverageFigures:
    def test_percentages_never_round_up_to_all(self) -> None:
        assert [coverage_report.percent(*pair) for pair in ((99999, 100000), (1, 3), (5, 5), (0, 0))] == [
            99.99,
            33.33,
            100.0,
            None,
        ]

    def test_ranges(self) -> None:
        assert coverage_report.ranges([7, 3, 8, 9, 20]) == ["3", "7-9", "20"]
