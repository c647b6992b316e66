"""A scan whose time is up tells what it has, and what is missing."""

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from clones.engines.contract import EngineOutput
from clones.engines.security import analyse, scanners, scope
from clones.engines.security.apart import scan_apart
from clones.engines.security.reported import OUT_OF_TIME
from clones.engines.security.taint import taint_scan
from clones.params import SecurityParams

FLAW = "import os\nos.system(input())\n"
FILES = {
    "a.py": FLAW,
    "b.py": FLAW,
    ".github/workflows/ci.yml": "on: push\njobs: {}\n",
    "requirements.txt": "flask==0.1\n",
    "page.js": "eval(location.hash)\n",
    "Dockerfile": "FROM python\n",
}
LOOKS_AT_THESE = ("bandit", "ruff", "gitleaks", "osv", "zizmor", "config", "taint")
"""On any machine; oxlint and gosec are extras."""


def written(target: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(text)
    return target


def scan(target: Path, out: Path, params: SecurityParams) -> EngineOutput:
    out.mkdir()
    return analyse(target, params, out, lambda *_: None)


def test_each_scanner_ends_when_its_time_is_up_and_says_what_it_has_not_seen(tmp_path: Path) -> None:
    target, copy = written(tmp_path / "target", FILES), tmp_path / "copy"
    copy.mkdir()
    surveyed = scope.survey(target, copy)
    late = time.monotonic() - 1
    scans = scanners.run_all(scanners.scanners(), copy, surveyed, lambda *_: None, late)
    for each in scans:
        assert each.results == ()
        if each.name in LOOKS_AT_THESE:
            assert each.is_part, each.name
            assert each.files_analysed == 0
            assert each.unread or each.left_out, each.name


def test_the_analysis_of_flows_tells_what_it_has_by_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    surveyed = scope.survey(written(tmp_path / "target", {"a.py": FLAW, "b.py": FLAW}), copy)
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)

    def progress(done: float) -> None:
        nonlocal now
        now = 10.0 if done > 0.3 else 0.0  # after the first of the two

    scan = taint_scan.scan(copy, surveyed, progress, deadline=5.0)
    assert {each.path for each in scan.results} == {"a.py"}
    assert scan.unread == {"b.py": "not looked at to its end: the time was up"}
    assert scan.is_part
    assert scan.cleared == ()


def test_a_scanner_apart_that_does_not_end_leaves_the_others(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    surveyed = scope.survey(written(tmp_path / "target", FILES), copy)
    taint = "clones.engines.security.taint.taint_scan"
    stopped = scan_apart("taint", taint, copy, surveyed, lambda _: None, deadline=time.monotonic() - 1)
    assert stopped.is_part
    assert "the time was up" in stopped.left_out[0].reason


def test_a_scan_that_is_no_more_than_a_part_says_nothing_of_what_is_gone(tmp_path: Path) -> None:
    target = written(tmp_path / "target", FILES)
    whole = scan(target, tmp_path / "whole", SecurityParams(target="."))
    assert whole.data["findings_total"] > 2
    log = (tmp_path / "whole/security.sarif").read_text()
    entry = '[[accepted]]\nrule = "B1"\nreason = "because"\nby = "Ada"\nuntil = 2999-01-01\n'
    written(target, {".sanctuary-baseline.sarif": log, ".sanctuary-accepted.toml": entry})
    for arguments in (
        ["init", "-q"],
        ["add", "a.py"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"],
    ):
        subprocess.run(["git", *arguments], cwd=target, check=True)
    # no task can ask for this; the least that it can is long on a quiet machine
    part = scan(target, tmp_path / "part", SecurityParams(target=".", budget_s=0, since="HEAD"))
    assert "the time was up before the end of bandit, ruff, gitleaks" in part.summary
    assert part.data["findings_total"] == 0
    assert part.data["baseline"]["gone"] == []
    assert part.data["since"] is None
    told = {each.subject: each.reason for each in part.not_analysed}
    assert "so what is new since HEAD is not known" in told["comparison"]
    assert ".sanctuary-accepted.toml" not in told
    assert told["a.py"].startswith("no scanner of Python code could read it whole")
    assert OUT_OF_TIME in told["a.py"]
    sarif = msgspec.json.decode((tmp_path / "part/security.sarif").read_bytes())
    assert sarif["runs"][0]["results"] == []
    assert not sarif["runs"][0]["invocations"][0]["executionSuccessful"]
