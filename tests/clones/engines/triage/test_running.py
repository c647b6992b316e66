"""What a run of single tests came to."""

import sys
from pathlib import Path

import pytest

from clones.engines.environment import Environment
from clones.engines.running.pytest_config import FoundTests
from clones.engines.running.watched import Watched
from clones.engines.triage import running


def test_every_failure_of_a_run_counts_however_many_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"tests/test_a.py::test_{number}" for number in range(500)]
    events = tuple({"event": "outcome", "test": name, "category": "failed", "message": "no"} for name in names)
    done = Watched(events=events, exit_status=1, interrupted=False, stdout="", stderr="", duration_s=1.0)
    monkeypatch.setattr(running, "run_watched", lambda *_, **__: done)
    environment = Environment(python=sys.executable, kind="sanctuary", python_version="3.11")
    found = FoundTests(configured_in=None, paths=(), files=1)
    runner = running.Runner(environment, found, tmp_path, sys.float_info.max, network=True)
    ran = runner.tests(tmp_path, [])
    assert [ran.outcome(name) for name in names] == [False] * 500
