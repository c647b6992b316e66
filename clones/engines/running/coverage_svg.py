"""The picture of a test run's coverage: one bar for each file, grouped by package, lengths by size."""

from collections import defaultdict
from pathlib import PurePosixPath

from clones.engines import svg
from clones.engines.running.coverage_report import FileCoverage, percent, totals

MAX_ROWS = 60
"""Files drawn; of more, those with the most lines that no test ran."""

_COVERED, _MISSED = "#2f7d5b", "#e9c3b4"
_WIDTH, _MARGIN, _ROW, _GROUP = 960.0, 28.0, 20.0, 30.0
_NAME, _FIGURES = 250.0, 160.0


def coverage_svg(files: tuple[FileCoverage, ...], name: str) -> str:
    """Draw `files` of the project `name`. The length of a bar is the file's number of statements; the dark part ran."""
    drawn = sorted(files, key=lambda item: (item.lines_covered - item.lines_total, -item.lines_total))[:MAX_ROWS]
    groups: defaultdict[str, list[FileCoverage]] = defaultdict(list)
    for item in drawn:
        groups[str(PurePosixPath(item.file).parent)].append(item)
    top = 112.0
    height = top + len(groups) * _GROUP + len(drawn) * _ROW + 40
    picture = svg.Picture(_WIDTH, height, f"Test coverage of {name}")
    _head(picture, files, name)
    y = top
    longest = max((item.lines_total for item in drawn), default=1)
    for package in sorted(groups):
        everything = [item for item in files if str(PurePosixPath(item.file).parent) == package]
        _group(picture, y, package, everything)
        y += _GROUP
        for item in sorted(groups[package], key=lambda item: item.file):
            _row(picture, y, item, longest)
            y += _ROW
    rest = len(files) - len(drawn)
    note = f"{rest} more files with fewer missed lines are not drawn; coverage.xml has all." if rest else ""
    picture.text(_MARGIN, height - 14, note or "Every file of the project's own packages is drawn.", fill=svg.FAINT)
    return picture.render()


def _head(picture: svg.Picture, files: tuple[FileCoverage, ...], name: str) -> None:
    total = totals(files) or {"line_percent": None, "branch_percent": None, "lines_covered": 0, "lines_total": 0}
    picture.text(_MARGIN, 38, f"Test coverage of {name}", size=19, weight=600)
    lines = f"{_percent(total['line_percent'])} of lines ({total['lines_covered']} of {total['lines_total']})"
    branches = f"{_percent(total['branch_percent'])} of branches" if total["branch_percent"] is not None else ""
    picture.text(_MARGIN, 60, " · ".join(part for part in (lines, branches, f"{len(files)} files") if part), size=13)
    full = _WIDTH - 2 * _MARGIN
    covered = full * total["lines_covered"] / max(total["lines_total"], 1)
    picture.rect(_MARGIN, 72, full, 10, fill=_MISSED, radius=2)
    picture.rect(_MARGIN, 72, covered, 10, fill=_COVERED, radius=2)
    picture.rect(_MARGIN, 94, 10, 10, fill=_COVERED)
    picture.text(_MARGIN + 16, 103, "run by tests", size=11, fill=svg.FAINT)
    picture.rect(_MARGIN + 100, 94, 10, 10, fill=_MISSED)
    picture.text(_MARGIN + 116, 103, "not run", size=11, fill=svg.FAINT)
    picture.text(_MARGIN + 180, 103, "bar length: statements in the file", size=11, fill=svg.FAINT)
    picture.text(_WIDTH - _MARGIN - 68, 103, "lines", size=11, fill=svg.FAINT, anchor="end")
    picture.text(_WIDTH - _MARGIN, 103, "branches", size=11, fill=svg.FAINT, anchor="end")


def _group(picture: svg.Picture, y: float, package: str, files: list[FileCoverage]) -> None:
    covered, total = sum(item.lines_covered for item in files), sum(item.lines_total for item in files)
    picture.line(_MARGIN, y + 8, _WIDTH - _MARGIN, y + 8)
    label = "top level" if package == "." else package
    picture.text(_MARGIN, y + 24, svg.shortened(label, 70), size=12.5, weight=600)
    figures = (
        f"{_percent(percent(covered, total))} of {total} lines in {len(files)} {'file' if len(files) == 1 else 'files'}"
    )
    picture.text(_WIDTH - _MARGIN, y + 24, figures, size=12, anchor="end", fill=svg.FAINT)


def _row(picture: svg.Picture, y: float, item: FileCoverage, longest: int) -> None:
    space = _WIDTH - 2 * _MARGIN - _NAME - _FIGURES
    width = max(space * item.lines_total / longest, 2)
    covered = width * item.lines_covered / item.lines_total
    lines = percent(item.lines_covered, item.lines_total)
    branches = percent(item.branches_covered, item.branches_total)
    hover = f"{item.file}: {item.lines_covered} of {item.lines_total} lines, {item.branches_covered} of "
    hover += f"{item.branches_total} branches; not run: {', '.join(item.missing[:30]) or 'none'}"
    name = svg.shortened(PurePosixPath(item.file).name, 30)
    picture.text(_MARGIN + 14, y + 14, name, size=12, mono=True)
    picture.rect(_MARGIN + _NAME, y + 4, width, 12, fill=_MISSED, hover=hover)
    picture.rect(_MARGIN + _NAME, y + 4, covered, 12, fill=_COVERED, hover=hover)
    right = _WIDTH - _MARGIN
    picture.text(right - 68, y + 14, _percent(lines), size=12, anchor="end", mono=True)
    picture.text(right, y + 14, _percent(branches), size=12, anchor="end", mono=True, fill=svg.FAINT)


def _percent(value: float | None) -> str:
    """Write a percentage without rounding 99.96 up to 100."""
    return "-" if value is None else f"{int(value * 10) / 10:.1f} %"
