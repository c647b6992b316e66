"""What a tech lead reads in half a minute: a verdict figure for each task, and what stands out. Pure.

No threshold of taste decides here. Stands out: a task that failed, and of each task type what `listed` says; McCabe's limit
of 10 for a function's complexity is his own (IEEE Transactions on Software Engineering SE-2, 1976).
"""

import typing
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from clones.engines.report import parts, wording
from clones.engines.report.advice import advice
from clones.engines.report.blocks import Content
from clones.engines.report.kinds import KINDS
from clones.engines.report.model import Section
from clones.engines.report.verdict import Kind, Risk, Tile, Tone
from clones.engines.report.wording import Some, number, plural, some

MAX_RISKS = 8
_MCCABE_LIMIT = 10
_SHARE = 100.0
_ORDER = typing.get_args(Kind)
_STANDS_OUT = {
    "security": "critical and high findings and medium ones of high confidence",
    "testing": "failing tests",
    "architecture": "broken contracts, import cycles, and the most complex function above a cyclomatic complexity of 10",
    "performance": "what takes longer than at an earlier revision, beyond the noise",
}


def tile(section: Section, part: parts.Part | Content | None, problem: str) -> Tile:
    """Return the verdict on `section`; `problem` says why its data could not be read."""
    if section.state == "failed":
        return Tile(
            figure="failed", label=section.error_code, details=(wording.cut(section.error_message, 160),), tone="bad"
        )
    if section.state == "skipped":
        return Tile(figure="skipped", label="", details=(wording.cut(section.error_message, 160),), tone="plain")
    return _completed(section, part, problem)


def _completed(section: Section, part: parts.Part | Content | None, problem: str) -> Tile:
    if problem:
        return Tile(figure="done", label="but its data cannot be shown", details=(problem,), tone="warn")
    match part:
        case parts.SecurityPart():
            verdict = _security(part)
        case parts.ArchitecturePart():
            verdict = _architecture(part)
        case parts.TestingPart():
            verdict = _testing(part)
        case parts.PerformancePart():
            verdict = _performance(part)
        case parts.DocumentationPart():
            verdict = _documentation(part)
        case Content():
            verdict = part.tile
        case None:
            verdict = Tile(figure="done", label="", details=(wording.cut(section.summary, 200),), tone="plain")
    return verdict


def risks(found: Sequence[tuple[str, Section, parts.Part | Content | None]]) -> Some[Risk]:
    """Return what stands out of (anchor, section, part), the gravest first."""
    every = [risk for anchor, section, part in found for risk in _risks(anchor, section, part)]
    every.sort(key=lambda risk: _ORDER.index(risk.kind))
    return some(every, MAX_RISKS)


def listed(task_types: Iterable[str]) -> str:
    """Say by which rules something stands out of tasks of these types."""
    told = set(task_types)
    rules = [words for task_type, words in _STANDS_OUT.items() if task_type in told]
    rules += [kind.stands_out for name, kind in KINDS.items() if name in told and kind.stands_out]
    return f"Listed are {', '.join(['failed tasks', *rules])}."


def _security(part: parts.SecurityPart) -> Tile:
    counts = dict(part.counts)
    grave = counts["critical"] + counts["high"]
    files = part.data.files_analysed
    details = (
        [" · ".join(f"{number(count)} {severity}" for severity, count in part.counts if count)] if part.total else []
    )
    if part.data.reviews_total:
        details.append(f"{plural(part.data.reviews_total, 'place')} to review")
    if files is not None:
        details.append(f"{plural(files, 'file')} analysed")
    tone: Tone = "bad" if grave else "warn" if counts["medium"] else "plain" if part.total else "good"
    return Tile(
        figure=number(part.total), label="finding" if part.total == 1 else "findings", details=tuple(details), tone=tone
    )


def _architecture(part: parts.ArchitecturePart) -> Tile:
    data = part.data
    count = len(data.cycles)
    details = [
        f"{plural(data.modules, 'module')}, {plural(data.imports, 'import')}, {plural(len(data.layers), 'layer')}"
    ]
    if part.hot_spots.items:
        worst = max(part.hot_spots.items, key=lambda each: each.complexity)
        details.append(f"highest complexity {worst.complexity}: {worst.function}")
    return Tile(
        figure=number(count),
        label="import cycle" if count == 1 else "import cycles",
        details=tuple(details),
        tone="warn" if count else "good" if data.modules else "plain",
    )


def _testing(part: parts.TestingPart) -> Tile:
    data = part.data
    if not data.ran or data.counts is None:
        return Tile(figure="not run", label="tests", details=(wording.cut(data.reason, 160),), tone="warn")
    counts = data.counts
    others = " · ".join(f"{number(count)} {name}" for name, count in part.outcomes if name != "passed")
    details = [others] if others else []
    if part.never_ran:
        details.append(f"{plural(part.never_ran, 'more test')} never ran")
    if data.coverage is not None and data.coverage.line_percent is not None:
        branches = data.coverage.branch_percent
        of_branches = "" if branches is None else f", {wording.covered(branches)} of branches"
        details.append(f"cover {wording.covered(data.coverage.line_percent)} of lines{of_branches}")
    broken = counts.failed + counts.errors
    return Tile(
        figure=number(counts.passed),
        label=f"of {plural(counts.total, 'test')} passed",
        details=tuple(details),
        tone="bad" if broken else "good" if counts.passed and not part.never_ran else "warn",
    )


def _performance(part: parts.PerformancePart) -> Tile:
    details = []
    if part.own.items:
        top = part.own.items[0]
        share = "" if top.self_share is None else f", {wording.percent(top.self_share * _SHARE)} of the time"
        details.append(f"hottest of its own: {top.function}{share}")
    compared = part.data.compared
    if compared is not None:
        beyond = "" if compared.wall.certain else ", within the noise"
        details.append(f"{wording.signed(compared.wall.change_s)} beside {compared.against}{beyond}")
    if part.data.interrupted:
        details.append("stopped before its end")
    elif part.data.exit_status:
        details.append(f"the command ended with status {part.data.exit_status}")
    return Tile(
        figure=wording.duration(part.data.wall_s),
        label="profiled",
        details=tuple(details),
        tone="warn" if part.data.exit_status or part.data.interrupted or _slower(part) else "plain",
    )


def _slower(part: parts.PerformancePart) -> bool:
    compared = part.data.compared
    return compared is not None and compared.wall.certain and compared.wall.change_s > 0


def _documentation(part: parts.DocumentationPart) -> Tile:
    coverage = part.data.coverage
    if not coverage.total:
        return Tile(figure="none", label="no public Python object to document", details=(), tone="plain")
    details = [f"{number(part.missing)} of {number(coverage.total)} have no docstring"]
    if part.data.pages is not None:
        details.append(f"API reference of {plural(part.data.pages, 'module')}")
    return Tile(
        figure=wording.percent(coverage.percent),
        label="of public objects documented",
        details=tuple(details),
        tone="plain",
    )


def _risks(anchor: str, section: Section, part: parts.Part | Content | None) -> Iterator[Risk]:
    if section.state == "failed":
        text = (
            f"{section.clone} could not finish {section.task_type} ({section.error_code}): {advice(section.error_code)}"
        )
        yield Risk(tone="bad", kind="failed", text=text, where="", anchor=anchor)
    match part:
        case parts.SecurityPart():
            for group in part.groups:
                grave = group.severity in {"critical", "high"}
                if not grave and (group.severity, group.confidence) != ("medium", "high"):
                    continue
                first = group.places.items[0]
                more = f" and {plural(group.total - 1, 'more place')}" if group.total > 1 else ""
                where = f"{first.file}:{first.line}{more}"
                yield Risk(
                    tone="bad" if grave else "warn", kind=group.severity, text=group.title, where=where, anchor=anchor
                )
        case parts.TestingPart() if part.data.counts is not None and part.data.counts.failed + part.data.counts.errors:
            broken = part.data.counts.failed + part.data.counts.errors
            first_test = part.failures.items[0].test if part.failures.items else ""
            yield Risk(
                tone="bad",
                kind="tests",
                text=f"{plural(broken, 'test')} failed or broke",
                where=first_test,
                anchor=anchor,
            )
        case parts.PerformancePart() if _slower(part) and part.data.compared is not None:
            compared = part.data.compared
            worst = next((each for each in compared.functions if each.certain and each.change_s > 0), None)
            text = f"It takes {wording.signed(compared.wall.change_s)} beside {compared.against}"
            text += f", most of it in `{worst.function}`" if worst is not None else ""
            where = worst.file if worst is not None else ""
            yield Risk(tone="bad", kind="regression", text=text, where=where, anchor=anchor)
        case parts.TestingPart() if not part.data.ran:
            text = f"The tests did not run: {wording.cut(part.data.reason, 200)}"
            yield Risk(tone="warn", kind="tests", text=text, where="", anchor=anchor)
        case parts.ArchitecturePart():
            yield from _structure_risks(anchor, part)
        case Content():
            for risk in part.risks:
                yield msgspec.structs.replace(risk, anchor=anchor)
        case _:
            return


def _structure_risks(anchor: str, part: parts.ArchitecturePart) -> Iterator[Risk]:
    for contract in part.broken.items:
        text = f"{plural(contract.violation_count, 'chain')} of imports break{'s' * (contract.violation_count == 1)} "
        text += f"the declared contract `{contract.name}`"
        where = f"{contract.file}:{contract.line}" if contract.line else contract.file
        yield Risk(tone="bad", kind="contract", text=text, where=where, anchor=anchor)
    for cycle in part.cycles.items:
        when = {True: " at import time", False: " through imports inside functions", None: ""}[cycle.at_import_time]
        text = f"{plural(len(cycle.modules), 'module')} import each other{when}"
        way = cycle.shortest or cycle.modules
        where = " → ".join((*way[:6], "…" if len(way) > 6 else way[0]))
        yield Risk(tone="warn", kind="cycle", text=text, where=where if cycle.shortest else "", anchor=anchor)
    complex_ones = [each for each in part.hot_spots.items if each.complexity > _MCCABE_LIMIT]
    if complex_ones:
        worst = max(complex_ones, key=lambda each: each.complexity)
        text = f"{worst.function} has a cyclomatic complexity of {worst.complexity}"
        yield Risk(tone="plain", kind="complexity", text=text, where=f"{worst.file}:{worst.line}", anchor=anchor)
