"""A pytest plugin that writes what happens, one JSON object a line, to the file that `SANCTUARY_RECORD` names.

Loaded with `-p sanctuary_recorder`. A line is complete when it is written, so a run that crashes leaves all that happened
before. Outcomes are what pytest's own summary counts: the category that `pytest_report_teststatus` gives each report.

    {"event": "start", "pid": 123, "pytest": "9.0.1"}
    {"event": "collected", "tests": 450, "deselected": 2}
    {"event": "running", "test": "tests/test_a.py::test_b"}
    {"event": "outcome", "test": …, "category": "failed", "phase": "call", "duration_s": 0.1, "message": …, …}
    {"event": "phase", "test": …, "phase": "teardown", "duration_s": 0.25}
    {"event": "finish", "exit_status": 1}
"""

from __future__ import annotations  # the names below are not all there in every pytest

import os
from json import dumps
from os import getpid
from os.path import relpath
from pathlib import Path
from typing import Any

import pytest

# functions are imported by name: reports come while a test's fixtures may still have replaced `os.getpid` and the like
_MAX_MESSAGE = 600
_MAX_TRACEBACK = 2500


def pytest_configure(config: pytest.Config) -> None:
    """Record in the process that was started, not in workers of pytest-xdist or in runs that tests start."""
    path = os.environ.pop("SANCTUARY_RECORD", None)
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Recorder(config, path), "sanctuary-recorder-active")


class _Recorder:
    def __init__(self, config: pytest.Config, path: str) -> None:
        self._config = config
        self._deselected = 0
        self._workers = bool(getattr(config.option, "dist", "no") != "no")
        self._file = Path(path).open("a", buffering=1, encoding="utf-8")  # noqa: SIM115 -- open as long as pytest runs
        self._pid = getpid()
        self._write(event="start", pid=self._pid, pytest=pytest.__version__)

    def _write(self, **fields: Any) -> None:
        if getpid() == self._pid:  # not in what a test forks
            self._file.write(dumps(fields) + "\n")

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self._deselected += len(items)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if not self._workers:
            self._write(event="collected", tests=len(session.items), deselected=self._deselected)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Count what the first worker of pytest-xdist collected; the others collect the same."""
        if self._workers:
            self._workers = False
            self._write(event="collected", tests=len(ids), deselected=0)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        # as in pytest's summary: a module that fails to import is an error, one that skips itself is skipped
        if report.failed:
            self._outcome(report, "error", "collect")
        elif report.skipped:
            self._outcome(report, "skipped", "collect")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._write(event="running", test=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        category = self._config.hook.pytest_report_teststatus(report=report, config=self._config)[0]
        phase = getattr(report, "when", None) or "call"
        if category and getattr(report, "count_towards_summary", True):
            self._outcome(report, category, phase)
        self._write(event="phase", test=report.nodeid, phase=phase, duration_s=getattr(report, "duration", 0.0))

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._write(event="finish", exit_status=int(exitstatus))

    def _outcome(self, report: Any, category: str, phase: str) -> None:
        fields: dict[str, Any] = {"event": "outcome", "test": report.nodeid, "category": category, "phase": phase}
        if category not in ("passed", "xpassed"):
            fields.update(_explained(report, str(self._config.invocation_params.dir)))
        self._write(**fields)


def _explained(report: Any, root: str) -> dict[str, Any]:
    longrepr = report.longrepr
    crash = getattr(longrepr, "reprcrash", None)
    path = line = None
    if crash is not None:
        path, line, message = crash.path, crash.lineno, crash.message
    elif isinstance(longrepr, tuple) and len(longrepr) == 3:  # a skip: path, line, reason
        path, line, message = longrepr
    else:
        lines = [text for text in str(longrepr or "").splitlines() if text.strip()]
        # an import that failed: the last line pytest marks with E says why
        message = next((text[1:].strip() for text in reversed(lines) if text.startswith("E ")), "\n".join(lines[-5:]))
    location = getattr(report, "location", None)
    if path is None and location:
        path, line = location[0], (location[1] or 0) + 1
    fields: dict[str, Any] = {"message": str(message)[:_MAX_MESSAGE], "file": _relative(path, root), "line": line}
    if report.outcome == "failed":
        fields["traceback"] = str(longrepr)[-_MAX_TRACEBACK:]
    reason = getattr(report, "wasxfail", None)
    if reason:
        fields["message"] = str(reason)[:_MAX_MESSAGE]
    return fields


def _relative(path: object, root: str) -> str | None:
    if path is None:
        return None
    text = str(path)
    return relpath(text, root) if text.startswith(os.sep) else text
