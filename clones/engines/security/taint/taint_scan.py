"""The taint analysis as a scanner: the project's Python files in, findings with their ways out."""

import gc
import math
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from clones.engines.security.reported import Cleared, FlowStep, Reported, Scan
from clones.engines.security.scope import Scope
from clones.engines.security.taint import rulebook
from clones.engines.security.taint.analysis import Analysis
from clones.engines.security.taint.findings import Findings, Flaw, Hit, confidence, is_test, severity
from clones.engines.security.taint.project import Project, read
from clones.engines.security.taint.rulebook import Rulebook

NAME = "taint"
_RECURSION = 12_000
"""Python frames: calls that are followed nest, and so do the expressions in them."""


def scan(
    copy: Path,
    scope: Scope,
    progress: Callable[[float], None],
    book: Rulebook | None = None,
    *,
    deadline: float = math.inf,
) -> Scan:
    """Follow data from outside through the Python files of `scope` that stand in `copy`; runs nothing of them.

    At `deadline` it ends with what it has, and `unread` names the files that it has not looked at to their end.

    Raises:
        RuleError: a rule file is wrong.
    """
    begin = time.monotonic()
    rules = book or rulebook.load()
    files = [name for name in scope.python if name.endswith(".py")]
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, _RECURSION))
    try:
        project, unread = _parsed(copy, files, deadline)
        progress(0.2)
        analysis = Analysis(project, rules)
        analysis.budget.deadline = deadline
        analysis.run(lambda done: progress(0.2 + 0.8 * done))
    finally:
        sys.setrecursionlimit(limit)
        gc.unfreeze()
    is_part = time.monotonic() > deadline
    return Scan(
        name=NAME,
        version=version("sanctuary-bus"),
        command=(),
        results=tuple(_reported(analysis.findings, rules)),
        files_analysed=len(project.modules),
        duration_s=time.monotonic() - begin,
        unread={**unread, **analysis.unfinished},
        is_part=is_part,
        cleared=tuple(
            Cleared(
                path=at.path,
                line=at.line,
                end_line=at.end_line,
                cwe=rules.categories[category].cwe,
                why=why,
                function=at.function if is_all else (0, 0),
            )
            for at, category, why, is_all in analysis.findings.harmless()
            if at.path not in analysis.unfinished and not is_part
        ),
        entries=tuple(sorted(analysis.findings.entries)),
    )


def _parsed(copy: Path, files: list[str], deadline: float) -> tuple[Project, dict[str, str]]:
    """Parse the files; looking through millions of syntax nodes for garbage would take longer than that."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return read(copy, files, deadline)
    finally:
        gc.freeze()
        if collects:
            gc.enable()


def _reported(findings: Findings, rules: Rulebook) -> Iterator[Reported]:
    # who runs a service configures it by its environment; that of a command may be somebody else's
    is_service = not all(map(is_test, findings.entries))
    settings = findings.settings if is_service else set()
    hits = ((at, hit) for at, hit in findings.hits.items() if hit.taint.source not in settings and not hit.is_of_tests)
    found = [(at, _hit(hit, rules)) for at, hit in hits]
    found += [(at, _flaw(flaw, rules)) for at, flaw in findings.flaws.items()]
    for _, each in sorted(found, key=lambda pair: pair[0]):
        yield each


def _hit(hit: Hit, rules: Rulebook) -> Reported:
    category = rules.categories[hit.category]
    steps = hit.steps()
    sink = hit.sink.lstrip("?.")
    source = hit.taint.source
    where = f"line {source.line}" if source.path == hit.place.path else f"{source.path}:{source.line}"
    at_source = category.at == "source"
    return Reported(
        engine=NAME,
        rule=f"{NAME}/{hit.category}",
        path=source.path if at_source else hit.place.path,
        line=source.line if at_source else hit.place.line,
        end_line=source.line if at_source else hit.place.end_line,
        message=f"`{source.name}` ({where}) reaches `{sink}` in {len(steps)} steps",
        severity=severity(hit, category),
        confidence=confidence(hit),
        flow=tuple(FlowStep(path=step.path, line=step.line, message=step.message) for step in steps),
        cwe=category.cwe,
        title=category.title,
        check=category.check,
        key=f"{hit.place.within} {sink} {source.name}",
    )


def _flaw(flaw: Flaw, rules: Rulebook) -> Reported:
    category = rules.categories[flaw.category]
    return Reported(
        engine=NAME,
        rule=f"{NAME}/{flaw.category}",
        path=flaw.place.path,
        line=flaw.place.line,
        end_line=flaw.place.end_line,
        message=flaw.message or f"`{flaw.name}`: {category.title}",
        severity=category.severity,
        confidence="high",
        cwe=category.cwe,
        title=category.title,
        check=category.check,
        key=f"{flaw.place.within} {flaw.name}",
    )
