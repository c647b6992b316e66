"""Beta's security engine on the seeded applications, whole and beside each scanner by itself.

The applications are scanned without their labels, so that no scanner can read them.
"""

import math
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from clones.engines.security import analyse, rules, scanners, scope
from clones.params import SecurityParams
from tests.eval.labels import Found, Label, applications, marks, read, score
from tests.eval.outcome import Part, Row, Told, Verdict, absent, no_lower, total

SEEDED = Path(__file__).parent / "seeded"
PARTS = {"open": "looked at while the rules were made", "frozen": "written after the rules were frozen"}
WHOLE = "whole engine"
OWN = "taint"
"""The scanner that is ours; the others are what an engineer would run by hand."""
SCANNERS = ("bandit", "ruff", "gitleaks", OWN)
MARGIN = 0.1
"""By how much the whole engine's F1 is to be above that of each tool run by hand."""
_LABEL = re.compile(rb"[ \t]*# seeded: .*$", re.MULTILINE)

Findings = dict[str, tuple[list[Found], float]]
"""By engine: what it says, and its seconds."""


def measure(tell: Told) -> Part:
    """Scan each application of each part with the whole engine and with each scanner by itself."""
    rows: list[Row] = []
    verdicts: list[Verdict] = []
    wrong: list[str] = []
    for part, about in PARTS.items():
        of_part: list[Row] = []
        for application in applications(SEEDED / part):
            tell(f"{part}/{application.name}")
            labels = read(application)
            for engine, (found, seconds) in scanned(application).items():
                marked = marks(labels, found)
                of_part.append(Row(material=part, engine=engine, score=score(marked), seconds=seconds))
                if engine == WHOLE:
                    wrong += (f"{part}/{application.name}/{each}" for each in in_words(marked))
        if not of_part:
            verdicts.append(absent(f"{part} ({about}): there is none", demanded=(SEEDED / part).is_dir()))
            continue
        together = total(of_part, part)
        rows += together
        verdicts += demands(together)
    if len({row.material for row in rows}) > 1:
        rows += total(rows, "both")
    return Part(
        name="security",
        title="flaws and their harmless twins in seeded applications",
        rows=tuple(rows),
        verdicts=tuple(verdicts),
        wrong=tuple(wrong),
    )


def scanned(target: Path) -> Findings:
    """Return what the whole engine says of `target`, and what each scanner reports by itself, nothing set aside."""
    with tempfile.TemporaryDirectory(prefix="sanctuary-eval-") as name:
        scratch = Path(name)
        bare, out, copy = scratch / "target", scratch / "out", scratch / "copy"
        shutil.copytree(target, bare)
        for file in bare.rglob("*.py"):
            file.write_bytes(_LABEL.sub(b"", file.read_bytes()))
        out.mkdir()
        copy.mkdir()
        begin = time.monotonic()
        output = analyse(bare, SecurityParams(target=str(bare)), out, lambda *_: None)
        results: Findings = {WHOLE: ([_finding(each) for each in output.data["findings"]], time.monotonic() - begin)}
        results |= _alone(copy, scope.survey(bare, copy))
    return results


def demands(rows: Sequence[Row]) -> Iterator[Verdict]:
    """Yield what the issue of this engine asks for, with the figures that decide it."""
    counts = {row.engine: row.score for row in rows if row.score is not None}
    whole = counts[WHOLE]
    by_hand = {engine: each for engine, each in counts.items() if engine not in {WHOLE, OWN}}
    best = max(by_hand, key=lambda engine: by_hand[engine].f1)
    text = f"{rows[0].material}: the {WHOLE}'s F1 {whole.f1:.3f} is {MARGIN} above that of each tool run by hand"
    yield Verdict(text=f"{text}; {best} has {by_hand[best].f1:.3f}", holds=whole.f1 >= by_hand[best].f1 + MARGIN)
    yield no_lower(rows, WHOLE, OWN, "recall")
    yield no_lower(rows, WHOLE, OWN, "precision")


def in_words(marked: Mapping[Label, bool]) -> Iterator[str]:
    """Yield what was missed and what was found wrongly, one line each."""
    for label, seen in marked.items():
        if seen != label.flaw:
            what = "missed" if label.flaw else "false"
            yield f"{label.path}:{label.line}: {what}: {label.category} ({label.kind})"


def _finding(each: Mapping[str, Any]) -> Found:
    return Found(path=each["file"], line=each["line"], end_line=each["end_line"], cwe=each["cwe"])


def _alone(copy: Path, surveyed: scope.Scope) -> Findings:
    known = rules.load()
    results: Findings = {}
    for scanner in scanners.scanners():
        if scanner.name in SCANNERS:
            scan = scanner.run(copy, surveyed, lambda _: None, deadline=math.inf)
            results[scanner.name] = (
                [
                    Found(path=each.path, line=each.line, end_line=each.end_line, cwe=rules.describe(known, each).cwe)
                    for each in scan.results
                    if not each.suppressed
                ],
                scan.duration_s,
            )
    return results
