"""Workflows of GitHub, by zizmor."""

from pathlib import Path

import msgspec
import pytest

from clones.engines import process
from clones.engines.security import ci_scan
from clones.engines.security.ci_scan import scan
from tests.clones.engines.security.scanning import scanned

WORKFLOW = """name: ci
on:
  pull_request_target:
permissions: {}
jobs:
  greet:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with: {persist-credentials: false}
      - run: |
          echo "${{ github.event.pull_request.title }}"
      - uses: someone/deploy@v1
      - uses: someone/deploy@v2 # zizmor: ignore[unpinned-uses]
"""
SOUND = """name: sound
on: [push]
permissions: {contents: read}
concurrency: {group: one, cancel-in-progress: true}
jobs:
  test:
    name: test
    runs-on: ubuntu-24.04
    steps:
      - env: {TITLE: "${{ github.event.head_commit.message }}"}
        run: echo "$TITLE"
"""


def test_a_workflow_that_runs_what_a_stranger_writes(tmp_path: Path) -> None:
    files = {".github/workflows/ci.yml": WORKFLOW, ".github/workflows/sound.yaml": SOUND, "k8s/other.yml": "a: ["}
    # the target's own settings would take everything back
    files["zizmor.yml"] = "rules:\n  unpinned-uses:\n    disable: true\n"
    done = scanned(scan, tmp_path, files)
    counted = {(each.rule, each.line): each for each in done.results if not each.suppressed}
    assert {each.path for each in done.results} == {".github/workflows/ci.yml"}
    injected = counted["zizmor/template-injection", 12]
    assert (injected.severity, injected.cwe, injected.confidence) == ("high", 94, "high")
    assert counted["zizmor/dangerous-triggers", 3].cwe == 829
    assert [counted["zizmor/unpinned-uses", line].severity for line in (9, 13)] == ["low", "medium"]
    assert [(each.rule, each.line) for each in done.results if each.suppressed] == [("zizmor/unpinned-uses", 14)]
    assert (done.files_analysed, done.unread) == (2, {})
    ended = process.run(done.command, cwd=tmp_path / "target", timeout_s=300)
    assert len(msgspec.json.decode(ended.stdout)) == done.findings > 3, "by hand, in the target, it prints the same"


def test_files_that_are_no_workflows_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ci_scan, "_MAX_BYTES", 2000)
    files = {
        f".github/workflows/{name}": text
        for name, text in {"a.yml": "{[", "b.yml": "# " * 1001, "c.yml": SOUND}.items()
    }
    done = scanned(scan, tmp_path, files)
    assert (done.results, done.files_analysed) == ((), 1)
    assert sorted(done.unread) == [".github/workflows/a.yml", ".github/workflows/b.yml"]


def test_where_nothing_is_understood_nothing_is_claimed(tmp_path: Path) -> None:
    done = scanned(scan, tmp_path, {"action.yml": "x: ["})
    assert (done.results, done.files_analysed, list(done.unread)) == ((), 0, ["action.yml"])


def test_without_such_files_it_is_not_run(tmp_path: Path) -> None:
    done = scanned(scan, tmp_path, {"readme.md": "x"})
    assert (done.results, done.command, done.files_analysed, done.left_out) == ((), (), 0, ())


def test_one_that_takes_too_long_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ci_scan, "_TIMEOUT_S", 0.0)
    done = scanned(scan, tmp_path, {".github/workflows/c.yml": SOUND})
    assert done.files_analysed == 0
    assert "was stopped" in done.left_out[0].reason
