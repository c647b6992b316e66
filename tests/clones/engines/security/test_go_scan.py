"""What is made of what gosec prints, as of gosec 2; gosec itself is tried with `make interop`."""

from pathlib import Path

import msgspec
import pytest

from clones.engines import process
from clones.engines.security.go_scan import Report, reported, scan
from tests.clones.engines.security.scanning import scanned

MAIN = """package main

import (
	"net/http"
	"os/exec"
)

func handle(w http.ResponseWriter, r *http.Request) {
	exec.Command("sh", "-c", r.URL.Query().Get("cmd")).Run()
	exec.Command("ls", "-l").Run()
}

func main() {
	http.HandleFunc("/", handle)
}
"""
FILES = {
    "web/go.mod": "module example.org/web\n\ngo 1.21\n",
    "web/main.go": MAIN,
    "web/sub/bad.go": "package sub; func (",
}


def issue(rule: str, line: str, cwe: str = "78", **more: object) -> dict[str, object]:
    found = {"severity": "HIGH", "confidence": "MEDIUM", "cwe": {"id": cwe}, "rule_id": rule, "details": "Said."}
    return {**found, "file": "/copy/web/main.go", "line": line, "suppressions": None, **more}


def test_a_report_becomes_one_result_for_each_weakness_on_a_line() -> None:
    issues = [
        issue("G204", "9"),
        issue("G702", "9"),
        issue("G401", "9-10", "328"),
        issue("G204", "12", suppressions=[{"kind": "inSource"}]),
        issue("G104", "9", "703", suppressions=[{"kind": "external"}]),
        issue("G204", "1", file="/usr/lib/go/src/os/exec.go"),
    ]
    report = msgspec.json.decode(msgspec.json.encode({"Issues": issues, "Golang errors": {}}), type=Report)
    results = {(each.line, each.rule): each for each in reported(report, Path("/copy"))}
    assert sorted(results) == [(9, "gosec/G401"), (9, "gosec/G702"), (12, "gosec/G204")]
    hashed = results[9, "gosec/G401"]
    assert (hashed.path, hashed.end_line, hashed.cwe, hashed.severity, hashed.confidence) == (
        *("web/main.go", 10, 328, "high", "medium"),
    )
    assert [each.suppressed for each in results.values()].count(True) == 1
    assert reported(msgspec.json.decode(b'{"Issues": null}', type=Report), Path("/copy")) == []


def test_where_it_is_missing_it_is_said_how_to_add_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "minimal_env", lambda: {"PATH": str(tmp_path)})
    monkeypatch.setenv("HOME", str(tmp_path))
    done = scanned(scan, tmp_path, FILES)
    assert (done.results, done.files_analysed, done.version) == ((), 0, "not installed")
    assert "go install" in done.left_out[0].reason


def test_a_project_without_go_is_told_nothing(tmp_path: Path) -> None:
    assert scanned(scan, tmp_path, {"a.py": ""}).left_out == ()
