"""What was found, beside where the time went: what is in hot functions comes first."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from clones.engines.contract import EngineOutput, NotAnalysed
from clones.engines.patterns.rules import RULES, Found
from clones.engines.patterns.scan import Scan
from clones.engines.running.profile_fold import MODULE
from clones.engines.statements import Lines, Statement

MAX_FOUND = 100
_MAX_UNREAD = 50


def told(output: EngineOutput, scanned: Scan, root: Path) -> EngineOutput:
    """Return `output` with `data["patterns"]`, joined with `data["hot"]`."""
    lines = Lines(root)
    hot: dict[str, list[Mapping[str, Any]]] = {}
    for row in output.data["hot"]:
        hot.setdefault(row["file"], []).append(row)
    shares = {each: _share(each, scanned, hot.get(each.file, ())) for each in scanned.found}
    order = sorted(scanned.found, key=lambda each: (-shares[each], each.file, each.line, each.rule))
    in_hot = sum(share > 0 for share in shares.values())
    data = {
        "found": [_row(each, shares[each], lines) for each in order[:MAX_FOUND]],
        "total": len(order),
        "in_hot": in_hot,
        "files": scanned.files,
        "engines": [
            {"name": "ruff", "version": version("ruff")},
            {"name": "sanctuary", "version": version("sanctuary-bus")},
        ],
    }
    summary = output.summary
    if order:
        count = f"{len(order)} place{'' if len(order) == 1 else 's'}"
        summary = (
            f"{summary.removesuffix('.')}; {count} where the code costs more than it has to, {in_hot} of them hot."
        )
    notes = [NotAnalysed(subject=name, reason=why) for name, why in list(scanned.unread.items())[:_MAX_UNREAD]]
    return msgspec.structs.replace(
        output,
        summary=summary,
        data={**output.data, "patterns": data},
        not_analysed=(*output.not_analysed, *notes),
    )


def _share(each: Found, scanned: Scan, hot: Sequence[Mapping[str, Any]]) -> float:
    """Return the share of the profile's time that is the own time of the function around a place, and of what it defines."""
    around = [(first, last) for first, last in scanned.spans[each.file] if first <= each.line <= last]
    if not around:
        rows = [row for row in hot if row["function"] == MODULE]
    else:
        first, last = max(around)
        rows = [row for row in hot if row["function"] != MODULE and first <= row["line"] <= last]
    return round(sum((float(row["self_share"]) for row in rows), 0.0), 4)


def _row(each: Found, share: float, lines: Lines) -> dict[str, Any]:
    rule = RULES[each.rule]
    row = {
        "rule": each.rule,
        "title": rule.title,
        "why": rule.why,
        "instead": rule.instead,
        "file": each.file,
        "line": each.line,
        "evidence": list(each.evidence),
        "self_share": share,
        "source": lines.at(each.file, each.line).strip()[:200],
    }
    command, expected = lines.shown([(each.file, line) for line in (each.line, *each.evidence)])
    text = f"{rule.title}: {each.file}:{each.line}"
    if each.evidence:
        text += f", with line{'s' if len(each.evidence) > 1 else ''} {', '.join(map(str, each.evidence))}"
    return {**row, "check": Statement(text=text, how_to_check=command, expected=expected).plain()}
