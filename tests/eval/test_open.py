"""The taint analysis, with its rules, on the seeded applications that may be looked at while rules are made."""

from pathlib import Path

import msgspec
import pytest

from clones.engines.security.reported import Reported
from clones.engines.security.scope import survey
from clones.engines.security.taint import taint_scan
from tests.eval.labels import Found, Label, applications, marks, read, score

OPEN = Path(__file__).parent / "seeded" / "open"
AT_SOURCE = {"taint/weak-random"}
"""Rules whose findings stand where the data comes in."""
NO_FLOW = {
    "taint/weak-hash",
    "taint/insecure-cookie",
    "taint/script-readable-cookie",
    "taint/archive-extraction",
    "taint/xxe",
}
"""Rules by which a call may be a flaw whatever flows into it."""

Scanned = dict[str, tuple[Reported, ...]]


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Scanned:
    """Return what is found in each application, by its name."""
    results = {}
    for application in applications(OPEN):
        copy = tmp_path_factory.mktemp(application.name)
        scan = taint_scan.scan(copy, survey(application, copy), lambda _: None)
        assert scan.unread == {}
        results[application.name] = scan.results
    return results


@pytest.fixture(scope="module")
def marked(scanned: Scanned) -> dict[Label, bool]:
    """Return of each label, by its path below the open part, whether something is found there."""
    result = {}
    for name, results in scanned.items():
        found = [Found(path=each.path, line=each.line, end_line=each.end_line, cwe=each.cwe) for each in results]
        for label, seen in marks(read(OPEN / name), found).items():
            result[msgspec.structs.replace(label, path=f"{name}/{label.path}")] = seen
    return result


def test_flaws_are_found_and_twins_spared(marked: dict[Label, bool]) -> None:
    counts = score(marked)
    assert counts.recall >= 0.95, [label for label, seen in marked.items() if label.flaw and not seen]
    assert counts.precision >= 0.97, [label for label, seen in marked.items() if seen and not label.flaw]
    assert counts.youden >= 0.9


@pytest.mark.parametrize("kind", ["helper", "class", "cross-module", "container"])
def test_flaws_are_found_across_functions_and_modules(marked: dict[Label, bool], kind: str) -> None:
    assert score({label: seen for label, seen in marked.items() if label.kind == kind}).recall >= 0.85


def test_every_finding_tells_its_way(scanned: Scanned) -> None:
    for name, results in scanned.items():
        for each in results:
            assert each.cwe, each
            assert each.title, each
            assert each.check, each
            if each.rule in NO_FLOW and not each.flow:
                continue
            first, *_, last = each.flow
            at = first if each.rule in AT_SOURCE else last
            assert (at.path, at.line) == (each.path, each.line)
            assert all((OPEN / name / step.path).is_file() for step in (first, last))
